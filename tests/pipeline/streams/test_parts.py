"""Marks, offsets, errors and names."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.view import view
from pipeline.streams.marks import worker_marks
from pipeline.streams.names import stop_command_id, stream_name
from pipeline.streams.offset_tracker import UnfinishedOffsets
from pipeline.twilio.errors import ErrorVerdict, verdict_on_start, verdict_on_stop
from schemas.records import Reservation
from tests.pipeline.streams.calls import call, facts


def test_a_workers_address_is_known_in_all_its_spellings() -> None:
    """As Flex encodes it, and decoded; with `client:` and without."""
    known = facts(contact_uri="client:ann_40example_2Ecom", worker_name="Ann.Smith")
    version = call(Reservation("WR1", known, {"created": 1}))
    marks = worker_marks(version, view(version))

    expected = {"client:ann_40example_2ecom", "client:ann@example.com", "ann@example.com"}
    assert expected | {"wr1", "ann.smith"} <= set(marks)


@given(st.lists(st.integers(0, 100), unique=True, min_size=1), st.randoms(use_true_random=False))
def test_the_smallest_unfinished_offset_is_committed(offsets: list[int], random: object) -> None:
    """Whatever the order in which records are finished, and whatever gaps the offsets have."""
    offsets.sort()
    unfinished = UnfinishedOffsets()
    for offset in offsets:
        unfinished.begin(offset)
    left = list(offsets)
    random.shuffle(left)  # type: ignore[attr-defined]
    while left:
        assert min(left) == unfinished.committable
        unfinished.finish(left.pop())
    assert offsets[-1] + 1 == unfinished.committable


def test_nothing_begun_is_nothing_to_commit() -> None:
    """No offset is better than a wrong one."""
    assert UnfinishedOffsets().committable is None


@given(st.sampled_from([0, 408, 429, 500, 502, 503, 504]))
def test_overload_and_silence_are_repeated(status: int) -> None:
    """Start and stop alike."""
    assert ErrorVerdict.BACK_OFF == verdict_on_start(status, None) == verdict_on_stop(status, None)


def test_twilio_errors_mean_what_they_say() -> None:
    """A ringing leg, a leg that is gone, a wrong token, a wrong request."""
    assert ErrorVerdict.ASK_AGAIN == verdict_on_start(400, 21220)
    assert ErrorVerdict.LOOK_UP_AGAIN == verdict_on_start(404, 20404)
    assert ErrorVerdict.REFUSED == verdict_on_start(401, 20003) == verdict_on_stop(403, None)
    assert ErrorVerdict.FAILED == verdict_on_start(400, 21203)
    assert ErrorVerdict.DONE == verdict_on_stop(404, None) == verdict_on_stop(400, 21220)


def test_names_and_ids_tell_media_streams_apart() -> None:
    """By task, leg and generation; strangers by their SID."""
    assert stream_name("WT", "CA", 1) != stream_name("WT", "CA", 2)
    assert stop_command_id("WT", 0, "MZ1", 1) != stop_command_id("WT", 0, "MZ2", 1)
    assert stop_command_id("WT", 2, None, 1) == stop_command_id("WT", 2, "MZ2", 1)
