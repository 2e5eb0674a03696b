"""What orders the facts of an event. Pure."""

from collections.abc import Mapping

from schemas.fast_dataclass import dataclass
from schemas.records import Fact

_EVENT_ID_CHARACTERS = 100
"""Each fact names its event, by so much of its id; Twilio's ids are shorter."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What orders the facts of an event."""

    at: int
    event_id: str

    def facts(self, version: int, values: Mapping[str, str | None]) -> dict[str, Fact]:
        """A fact for each value that is there."""
        return {
            name: Fact(value, version, self.at, self.event_id[:_EVENT_ID_CHARACTERS])
            for name, value in values.items()
            if value is not None
        }
