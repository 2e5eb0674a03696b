"""The account in which a call takes place, and the parts that its workers have."""

from dataclasses import dataclass, field
from typing import Any


def worker_sid(name: str) -> str:
    """A worker's SID by a short name."""
    return "WK" + name.encode().hex().ljust(32, "0")


@dataclass(frozen=True)
class Account:
    """How an account is set up, and how Twilio writes there.

    `label`: what marks a worker's participant (worker_sid, contact_uri, reservation_sid, email, or
    None); `customer_label`: whether the customer's is marked; `conference`, `calls`: whether the
    conference's and the calls' callbacks are configured; `sequence`: they are numbered; `versions`:
    number, text or None; `stamp`: iso, seconds or none; `envelope`: CloudEvents carry their time;
    `created`: task.created is among the events; `block`: when the attributes tell the conference:
    at once, late or never; `ends`: the calls' callbacks carry both ends and the direction;
    `phones`: what workers answer on (client, number or sip).
    """

    label: str | None = "worker_sid"
    customer_label: bool = True
    conference: bool = True
    calls: bool = False
    sequence: bool = True
    versions: str | None = "number"
    stamp: str = "iso"
    envelope: bool = True
    created: bool = True
    block: str = "at once"
    ends: bool = False
    phones: str = "client"


@dataclass
class Part:
    """A worker's reservation. `transfer`: the transfer's fields; `rewritten`: attributes of the
    worker that were changed meanwhile; `phone`: what the worker answers on."""

    name: str
    reservation_sid: str
    call_sid: str
    queue: str
    transfer: dict[str, Any]
    version: int = 0
    accepted: bool = False
    left: bool = False
    rewritten: dict[str, Any] = field(default_factory=dict)
    phone: str = "client"

    @property
    def address(self) -> str:
        """The worker's contact URI."""
        number = f"+1555222{sum(self.name.encode()):04d}"
        addresses = {"number": number, "sip": f"sip:{self.name}@pbx.example.com:5060"}
        return addresses.get(self.phone, f"client:{self.name}_40example_2Ecom")

    @property
    def worker(self) -> dict[str, Any]:
        """The worker's attributes."""
        return {
            "contact_uri": self.address,
            "email": f"{self.name.title()}@Example.com",
            "full_name": f"{self.name.title()} Agent",
            "team_name": {"cleo": "Gold"}.get(self.name, "blue"),
            **self.rewritten,
        }
