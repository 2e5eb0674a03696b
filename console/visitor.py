"""The sender of a request, as identified by `console.gate`."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import Scope

from pipeline.store.sessions import ConsoleSession

_KEY = "flexcapture.visitor"


@dataclass(frozen=True, slots=True)
class Visitor:
    """The sender of a request: identified by the token or by a session, or a stranger.

    `at`: time of the request, ms. `address`: the IP address, "unknown" for a socket without one.
    """

    at: int
    address: str
    session: ConsoleSession | None = None
    has_token: bool = False

    @property
    def is_admitted(self) -> bool:
        """Whether the sender may see more than the sign-in page."""
        return self.has_token or self.session is not None

    @property
    def actor(self) -> str:
        """The sender's name in the audit table; empty for a stranger."""
        if self.session is not None:
            return f"session {self.session.session_id}"
        return "token" if self.has_token else ""


def address_of(connection: HTTPConnection) -> str:
    """Return the address a request came from."""
    return connection.client.host if connection.client and connection.client.host else "unknown"


def set_visitor(scope: Scope, visitor: Visitor) -> None:
    """Attach the sender to a request."""
    scope[_KEY] = visitor


def visitor_of(connection: HTTPConnection) -> Visitor:
    """Return the sender of a request that passed the gate."""
    visitor: Visitor = connection.scope[_KEY]
    return visitor
