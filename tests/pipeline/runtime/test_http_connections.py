"""Which connections an HTTP server closes if too many are open."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime import http_connections
from pipeline.runtime.http_connections import OpenConnections

PROXY, OF_ADDRESS, OF_ALL = "10.9.0.1", 4, 9
ADDRESSES = st.sampled_from([PROXY, "10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1", ""])


@dataclass(eq=False, slots=True)
class Client:
    """A connection."""

    address: str
    is_answering: bool


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "MAX_CONNECTIONS_OF_ADDRESS", OF_ADDRESS)
    monkeypatch.setattr(http_connections, "MAX_CONNECTIONS", OF_ALL)


@given(st.lists(st.builds(Client, ADDRESSES, st.booleans()), max_size=40))
def test_only_connections_without_a_request_are_closed(clients: list[Client]) -> None:
    """Oldest first, and never more are open than allowed, unless all of them are being answered.
    Only the total limit applies to a trusted proxy."""
    connections, kept = OpenConnections(["10.9.0.0/16"]), list[Client]()
    for client in clients:
        kept.append(client)
        closed = connections.add(client)
        if closed is not None:
            assert isinstance(closed, Client)
            assert not closed.is_answering
            older = kept[: kept.index(closed)]
            same = [each for each in older if each.address == closed.address]
            assert all(each.is_answering for each in same)
            connections.remove(closed)
            kept.remove(closed)
        assert len(kept) == len(connections)
        for address in {each.address for each in kept} - {PROXY, ""}:
            of = [each for each in kept if each.address == address]
            assert len(of) <= OF_ADDRESS or all(each.is_answering for each in of)
        assert len(kept) <= OF_ALL or all(each.is_answering for each in kept)


def test_one_address_does_not_close_the_connections_of_another() -> None:
    """For any number of connections."""
    connections = OpenConnections()
    honest = Client("10.0.0.2", is_answering=False)
    connections.add(honest)
    for _ in range(50):
        closed = connections.add(Client("10.0.0.1", is_answering=False))
        assert closed is not honest
        if closed is not None:
            connections.remove(closed)
