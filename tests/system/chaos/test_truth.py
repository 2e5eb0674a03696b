"""What the model's word is made of for the judge."""

from tests.system.chaos.truth import _apart, _instants, sequences
from tests.system.chaos.uptime import Span
from tests.system.model.verdicts import Moment


def test_records_handled_at_one_time_have_an_order() -> None:
    """Events of one time are handled one after the other, in their order on the topic."""
    heap = [(5, {"id": "b"}, 1), (5, {"id": "c"}, 1), (3, {"id": "a"}, 1), (9, {"id": "d"}, 1)]
    assert [(3, "a"), (5, "b"), (6, "c"), (9, "d")] == [(at, e["id"]) for at, e, _ in _apart(heap)]


def test_an_instant_is_where_it_begins_to_hold() -> None:
    """A decision that is true only within a batch of events may be acted on: the time to revert it
    counts from there."""
    moments = [(_at(1), False), (_at(2), True), (_at(3), True), (_at(4), False), (_at(5), True)]
    assert [Span(2, 2), Span(5, 5)] == _instants(moments)


def test_what_a_list_changes_and_an_event_reverts_at_once_may_be_absent() -> None:
    """A change of the list takes effect within five seconds. All other decisions are exact."""
    published = [(1_000, "record"), (5_999, "stop"), (7_000, "record"), (9_000, "stop")]
    assert sequences(published, {1_000}) == {("record", "stop") * 2, ("record", "stop")}
    assert sequences(published, {999, 6_000}) == {("record", "stop") * 2}
    assert sequences([(1_000, "record"), (6_000, "stop")], {1_000}) == {("record", "stop")}


def _at(at: int) -> Moment:
    return Moment(at, None, False, None)  # type: ignore[arg-type]
