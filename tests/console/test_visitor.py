"""The sender of a request."""

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from console.visitor import Visitor, address_of, set_visitor, visitor_of
from pipeline.store.sessions import ConsoleSession
from tests.pipeline.store.contacts import NOON

SESSION = ConsoleSession("5e55", NOON, NOON, "10.0.0.1", "Browser")


@pytest.mark.parametrize(
    ("session", "has_token", "is_admitted", "actor"),
    [
        (None, False, False, ""),
        (None, True, True, "token"),
        (SESSION, False, True, "session 5e55"),
        (SESSION, True, True, "session 5e55"),
    ],
)
def test_a_token_or_a_session_admits(
    session: ConsoleSession | None, has_token: bool, is_admitted: bool, actor: str
) -> None:
    """The audit table names the session, which is a person at a browser."""
    visitor = Visitor(NOON, "10.0.0.1", session, has_token)
    assert (is_admitted, actor) == (visitor.is_admitted, visitor.actor)


@pytest.mark.parametrize(
    ("client", "address"), [(("10.0.0.1", 5), "10.0.0.1"), (("", 0), "unknown"), (None, "unknown")]
)
def test_a_socket_without_an_address_is_unknown(client: Any, address: str) -> None:
    """The audit table has an address in each entry."""
    assert address == address_of(HTTPConnection({"type": "http", "client": client}))


def test_the_visitor_stays_with_its_request() -> None:
    """A request that has not passed the gate has none."""
    scope: dict[str, Any] = {"type": "http"}
    with pytest.raises(KeyError):
        visitor_of(HTTPConnection(scope))
    visitor = Visitor(NOON, "10.0.0.1")
    set_visitor(scope, visitor)
    assert visitor is visitor_of(HTTPConnection(scope))
