"""What the reference says of fields: types, units, values, places in examples."""

import pytest

from schemas import states
from schemas.call_keys import FACTS
from tools.reference.model import FieldInfo, all_records, states_of, value_at


def field(record: str, name: str) -> FieldInfo:
    """A field of a record type."""
    return next(each for each in all_records()[record].fields if each.name == name)


@pytest.mark.parametrize(
    ("record", "name", "unit"),
    [
        ("Call", "first_event_at", "ms since 1970, UTC"),
        ("Call", "milestones", "ms since 1970, UTC"),
        ("Contact", "required_ms", "ms"),
        ("MediaBatch", "number", ""),
        ("RecordingCompleted", "lost", "frames"),
        ("MediaStreamClosed", "batches", "batches"),
        ("DeadLetter", "key", "bytes"),
        ("Call", "task_sid", ""),
    ],
)
def test_units(record: str, name: str, unit: str) -> None:
    """From the logical type, the name, or the description; numbers that count from 1 have none."""
    assert unit == field(record, name).unit


def test_types() -> None:
    """Lists and maps name their items; a record in a field is linked."""
    assert ("list of Reservation", "Reservation") == _type("Call", "reservations")
    assert ("map of string to Fact", "Fact") == _type("Call", "facts")
    assert ("enum", None) == _type("TrackBatch", "track")
    assert field("Call", "direction").nullable
    assert not field("Call", "task_sid").nullable
    assert "null" == field("MediaStreamChanged", "name").default
    assert field("MediaStreamChanged", "state").default is None


def _type(record: str, name: str) -> tuple[str, str | None]:
    return field(record, name).type, field(record, name).record


def test_allowed_values() -> None:
    """From an enumeration's symbols, or the list at the beginning of the description."""
    assert ("inbound", "outbound") == field("TrackBatch", "track").values
    assert ("record", "stop", "do-not-record") == field("RecordingDecided", "decision").values
    assert "..." == field("DeadLetter", "reason").values[-1]
    assert {*states.ReasonCode} == {*field("RecordingDecided", "reason_code").values}
    assert tuple(FACTS["Leg"]) == field("Leg", "facts").values
    assert () == field("DeadLetter", "position").values  # "sequence number or offset that ..."
    assert () == field("Call", "cause_type").values


@pytest.mark.parametrize(
    ("record", "name", "enumeration"),
    [
        ("Contact", "outcome", states.Outcome),
        ("Contact", "capture", states.CaptureState),
        ("ContactRecording", "state", states.RecordingState),
        ("MediaStreamChanged", "state", states.StreamState),
        ("Connection", "state", states.ConnectionState),
    ],
)
def test_lists_in_descriptions_are_those_of_the_code(
    record: str, name: str, enumeration: type[states.StrEnum]
) -> None:
    """A state that is added to the code must be added to the description too."""
    assert {*enumeration} == {*field(record, name).values}
    assert enumeration.__name__ == states_of(field(record, name).values)


def test_a_record_within_a_record_has_its_place() -> None:
    """Its examples are found there."""
    leg = all_records()["Leg"]
    assert ("Call", ("legs",)) == (leg.owner, leg.place)
    assert "calls" == leg.page
    assert not leg.has_file
    fact = all_records()["Fact"]
    example = {"facts": {"queue": {"value": "sales"}}, "legs": [{"sid": ""}, {"sid": "CA1"}]}
    assert "sales" == value_at(example, (*fact.place, "value"))
    assert "CA1" == value_at(example, (*leg.place, "sid"))
    assert value_at(example, ("legs", "gone")) is None
    assert value_at(None, ("legs",)) is None
