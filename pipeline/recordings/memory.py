"""The memory of a partition apart from its open recordings: complete recordings, and decisions."""

from collections.abc import Iterable, Sequence

from pipeline.recordings.complete_streams import CompleteStreams
from pipeline.recordings.decisions import Decisions
from pipeline.recordings.keys import checkpoint_key
from pipeline.recordings.recording import Recording
from pipeline.recordings.sources import OfStream
from schemas.records import RecorderCheckpoint, RecorderDecision

Checkpoint = RecorderCheckpoint | RecorderDecision


class Memory:
    """The memory, built from the partition's checkpoints. Those of open recordings are ignored."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        known = list(checkpoints)
        recordings = [each for each in known if isinstance(each, RecorderCheckpoint)]
        self.complete = CompleteStreams(c for c in recordings if c.closed_at is not None)
        self.decisions = Decisions()
        self.decisions.restore(each for each in known if isinstance(each, RecorderDecision))

    def complete_of(self, record: OfStream) -> Sequence[RecorderCheckpoint]:
        """Return the closing checkpoints of the record's media stream, in the order of the log."""
        return self.complete.of(record.task_sid, record.stream_sid)

    def decisions_on(self, recording: Recording) -> Sequence[RecorderDecision]:
        """Return the decisions on the recording's call: the remembered ones, and for a supplement
        also those in the closing checkpoints of its media stream."""
        decisions = self.decisions.of(recording.task_sid)
        if not recording.part:
            return decisions
        earlier = self.complete.of(recording.task_sid, recording.stream_sid)
        return [*decisions, *(d for each in earlier for d in each.decisions)]

    def forget(self, passed: int, now: int) -> list[bytes]:
        """Forget recordings that ended, and decisions that were made, long before `now` (ms, log
        time) and before the offset `passed`. Return the keys of the checkpoints to delete."""
        gone: list[Checkpoint] = [*self.complete.forget(passed, now)]
        gone += self.decisions.forget(passed, now)
        return [checkpoint_key(each) for each in gone]
