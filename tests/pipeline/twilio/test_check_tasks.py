"""The task SIDs of test calls, and that nothing is made of a test call."""

from hypothesis import given
from hypothesis import strategies as st

from agents.consolidator import ContactsCore
from agents.stream_manager import StreamsCore
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.recordings.effects import Ignored
from pipeline.recordings.partition import PartitionFold
from pipeline.twilio.check_tasks import check_task_sid, is_check_task
from pipeline.twilio.sids import SidKind, valid_sid
from schemas.records import (
    CommandAnswered,
    HandshakeRefused,
    MediaBatch,
    MediaStreamClosed,
    MediaStreamOpened,
    RecordingPolicy,
)

NONCE_BYTES = 8
NONCES = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)
TEST = check_task_sid(b"12345678")
CALL, STREAM = "CA" + "1" * 32, "MZ" + "2" * 32
HISTORY = PolicyHistory.of([RecordingPolicy(1, 0, 0, ("*",), True, True)])


def _records(task_sid: str) -> list[object]:
    ids = {"stream_sid": STREAM, "call_sid": CALL, "task_sid": task_sid, "gateway": "g", "epoch": 1}
    return [
        MediaStreamOpened(**ids, name="n", generation=1, at=1_000),
        MediaBatch(**ids, number=1, at=1_500, first_sequence=2, last_sequence=2, tracks=()),
        MediaStreamClosed(
            **ids, name="n", generation=1, at=2_000, reason="stop", detail="", batches=1, frames=0,
            invalid=0, unbroken=True,
        ),
    ]  # fmt: skip


@given(NONCES, NONCES)
def test_a_test_calls_task_sid_is_a_task_sid(nonce, other):
    """It has the form of one, can be recognized, and is another for each call."""
    sid = check_task_sid(nonce)
    assert sid == valid_sid(SidKind.TASK, sid)
    assert is_check_task(sid)
    assert (nonce == other) == (sid == check_task_sid(other))


@given(st.text("0123456789abcdef", min_size=32, max_size=32))
def test_other_task_sids_are_none(digits):
    """No other task SID is taken for a test call's."""
    assert is_check_task("WT" + digits) == digits.startswith("c4ecca11c4ecca11")


def test_audio_of_a_test_call_is_not_recorded():
    """The recorder begins no recording for it, and does for another call."""
    fold = PartitionFold()
    effects = [e for n, r in enumerate(_records(TEST)) for e in fold.handle(r, n, 1_000 + n)]
    assert [Ignored("a test call")] * 3 == effects
    assert () == fold.open_recordings
    assert fold.snapshots(3) == []
    fold.handle(_records("WT" + "3" * 32)[0], 3, 2_000)
    assert 1 == len(fold.open_recordings)


def test_a_test_call_is_neither_stopped_nor_a_contact():
    """Stream manager and consolidator keep no state of it, and publish nothing."""
    answer = CommandAnswered("c", TEST, "start", 1, "done", CALL, STREAM, "n", 1, None, "", 1_000)
    refused = HandshakeRefused(TEST, CALL, 1, "g", 1, 1_000, "wrong-url")
    for record in (*_records(TEST), answer, refused):
        for core in (StreamsCore(HISTORY), ContactsCore(HISTORY)):
            step = core.on_record(TEST, None, record, 2_000)
            assert (None, ()) == (step.state, step.outputs)
