"""The order of statements about the same fact. Pure."""

from collections.abc import Mapping

from pipeline.calls.claims import FIRST_HOLDS
from pipeline.calls.fields import MAX_VERSION
from schemas.fast_dataclass import dataclass
from schemas.records import Fact

_EVENT_ID_CHARACTERS = 100
"""Each fact names its event, by at most this many characters of its id; Twilio's ids are
shorter."""

NO_VERSION = MAX_VERSION
"""Orders statements without a version after all others, if the first statement holds."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The version, time and id of an event, by which its facts are ordered among those of other
    events."""

    at: int
    event_id: str

    def facts(
        self, version: int | None, values: Mapping[str, str | None], *, is_first: bool = False
    ) -> dict[str, Fact]:
        """Return a fact for each value that is not None. `version`: None if the event has none.
        Such an event only adds facts: it is ordered before events with a version if the latest
        statement holds, and after them if the first one holds, unless it is the first of its object
        (`is_first`)."""
        number, event_id = version or 0, self.event_id[:_EVENT_ID_CHARACTERS]
        last = NO_VERSION if version is None and not is_first else number
        return {
            name: Fact(value, last if name in FIRST_HOLDS else number, self.at, event_id)
            for name, value in values.items()
            if value is not None
        }
