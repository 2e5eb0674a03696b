"""An agent's part of a call."""

from dataclasses import dataclass, field

from simulator.people import Agent
from simulator.script import (
    ExpectedSession,
    Json,
)

WRAP_UP_MS = 1200


@dataclass(slots=True)
class Part:
    """One agent's part of a call that is being built."""

    agent: Agent
    reservation_sid: str
    worker_sid: str
    queue: str
    call_sid: str
    monitored: bool | None
    transfer: Json = field(default_factory=dict)
    accepted_at: int | None = None
    left_at: int | None = None
    gone_at: int | None = None
    """When the agent's last leg left, if the reservation stayed open."""
    version: int = 0
    rewritten: Json = field(default_factory=dict)
    """Attributes that the agent's browser has changed."""

    def expected(self) -> ExpectedSession:
        """Return the session that this part must result in. It must have ended."""
        assert self.left_at is not None
        monitored = self.monitored if self.accepted_at else False
        return ExpectedSession(
            self.reservation_sid,
            self.agent.email.lower(),
            monitored,
            self.accepted_at,
            self.left_at if self.gone_at is None else self.gone_at,
        )
