"""Decide how long the answer to a wrong token is delayed. Pure.

The delay grows with each further wrong token from an address. A right token is never delayed: many
people may share an address (a proxy, a NAT), and one of them must not keep out the others. Tokens
have at least 32 characters, so their security does not depend on the delay.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from pipeline.runtime.addresses import network_of

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 4.0
FORGET_MS = 15 * 60 * 1000
MAX_ADDRESSES = 10_000
MAX_DELAYED = 256
MAX_DELAYED_OF_ADDRESS = 16
_ALL_NOTED = 20
_NOTED_EVERY = 100


@dataclass(slots=True)
class _Address:
    attempts: int = 0
    last_at: int = 0
    delayed: int = 0


@dataclass(frozen=True, slots=True)
class TokenRefusal:
    """The answer to a wrong token. `network`: the client's address or network. `attempt` counts
    from 1. `delay_s`: None if too many answers are being delayed; answer 429 at once then."""

    network: str
    attempt: int
    delay_s: float | None

    @property
    def is_noted(self) -> bool:
        """Whether log and audit table get an entry: for each of the first 20 attempts of an
        address, then for every hundredth, so that a stranger cannot fill them."""
        return self.attempt <= _ALL_NOTED or self.attempt % _NOTED_EVERY == 0


@dataclass(slots=True)
class WrongTokens:
    """Counts the wrong tokens of each address. Of too many addresses, the least recent ones without
    a delayed answer are forgotten."""

    _addresses: OrderedDict[str, _Address] = field(default_factory=OrderedDict)
    _delayed: int = 0

    def refuse(self, address: str, now: int) -> TokenRefusal:
        """Count a wrong token at `now` (ms). Call `answered` once it has been answered."""
        network = network_of(address)
        entry = self._entry(network)
        entry.attempts = 1 if now - entry.last_at > FORGET_MS else entry.attempts + 1
        entry.last_at = now
        if entry.delayed >= MAX_DELAYED_OF_ADDRESS or self._delayed >= MAX_DELAYED:
            return TokenRefusal(network, entry.attempts, None)
        entry.delayed += 1
        self._delayed += 1
        return TokenRefusal(network, entry.attempts, _delay(entry.attempts))

    def answered(self, refusal: TokenRefusal) -> None:
        """Note that the answer is no longer being delayed."""
        if refusal.delay_s is None:
            return
        self._delayed -= 1
        if entry := self._addresses.get(refusal.network):
            entry.delayed -= 1

    def _entry(self, network: str) -> _Address:
        entry = self._addresses.setdefault(network, _Address())
        self._addresses.move_to_end(network)
        if len(self._addresses) > MAX_ADDRESSES:
            # The entry just added is last. Some other one has no delayed answer, because at most
            # `MAX_DELAYED` have any.
            quiet = next(name for name, other in self._addresses.items() if not other.delayed)
            del self._addresses[quiet]
        return entry


def _delay(attempt: int) -> float:
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(attempt - 1, 10)))
