"""Limits of the open connections of an HTTP server. Pure.

The oldest connection without a request is closed in favour of a new one: a client that opens many
connections and sends nothing competes with itself, and does not keep out the others.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Protocol

from pipeline.runtime.addresses import network_of

MAX_CONNECTIONS = 500
MAX_CONNECTIONS_OF_ADDRESS = 100


class HttpConnection(Protocol):
    """An open connection."""

    @property
    def address(self) -> str:
        """The peer's IP address."""

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered."""


@dataclass(slots=True)
class OpenConnections:
    """The open connections of a server, oldest first. `trusted_proxies` (IP addresses or networks)
    carry many clients, so only the total limit applies to them."""

    trusted_proxies: Sequence[str] = ()
    _networks: dict[HttpConnection, str] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self._networks)

    def add(self, connection: HttpConnection) -> HttpConnection | None:
        """Add a connection. Return the one to close if there are too many: the oldest one without a
        request, of the same address if that has too many, else of all addresses. It may be the new
        one itself."""
        network = "" if self._is_proxy(connection.address) else network_of(connection.address)
        self._networks[connection] = network
        self._counts[network] += 1
        surplus = None
        if network and self._counts[network] > MAX_CONNECTIONS_OF_ADDRESS:
            surplus = _oldest_idle(c for c, of in self._networks.items() if of == network)
        if surplus is None and len(self._networks) > MAX_CONNECTIONS:
            surplus = _oldest_idle(self._networks)
        return surplus

    def remove(self, connection: HttpConnection) -> None:
        """Remove a connection, if it is there: it is closed."""
        if (network := self._networks.pop(connection, None)) is not None:
            self._counts[network] -= 1
            if not self._counts[network]:
                del self._counts[network]

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in ip_network(each, strict=False) for each in self.trusted_proxies)


def _oldest_idle(connections: Iterable[HttpConnection]) -> HttpConnection | None:
    return next((each for each in connections if not each.is_answering), None)
