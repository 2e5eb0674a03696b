"""The recordings that a call requires, collected while the call is built."""

from dataclasses import dataclass, field

from simulator.people import Agent
from simulator.script import ExpectedRecording


@dataclass(slots=True)
class RequiredRecordings:
    """All recordings of a call; at most one is open at a time. Times are milliseconds since the
    epoch."""

    complete: list[ExpectedRecording] = field(default_factory=list)
    _open: tuple[int, int, tuple[str, ...]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the call must be recorded now."""
        return self._open is not None

    def begin(self, now: int, slack: int, agents: tuple[Agent, ...]) -> None:
        """Open a recording. `slack`: how late it may begin (ms); `agents`: those on it."""
        self._open = (now, slack, tuple(agent.email.lower() for agent in agents))

    def end(self, now: int) -> None:
        """Close the open recording."""
        assert self._open is not None
        begins_at, slack, extensions = self._open
        self.complete.append(ExpectedRecording(begins_at, now, slack, extensions))
        self._open = None
