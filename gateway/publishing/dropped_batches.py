"""The frames of dropped batches, which a `MediaDropped` record lists in place of the batches."""

from pipeline.media.runs import RunBuilder, frames_of
from schemas.records import DroppedTrack, MediaBatch, MediaDropped


class Dropped:
    """Consecutive batches of a media stream that were dropped for one reason."""

    def __init__(self, first: MediaBatch, reason: str) -> None:
        self.reason = reason
        self._first = first
        self._last = first
        self._tracks: dict[str, RunBuilder] = {}
        self.batches = 0
        self.add(first)

    def add(self, batch: MediaBatch) -> None:
        """Add the next batch, which was dropped too."""
        self._last = batch
        self.batches += 1
        for track in batch.tracks:
            runs = self._tracks.setdefault(track.track, RunBuilder())
            for timestamp, size in frames_of(track.runs):
                runs.add(timestamp, size)

    def record(self) -> MediaDropped:
        """Return the record for `media`."""
        first, last = self._first, self._last
        return MediaDropped(
            stream_sid=first.stream_sid,
            call_sid=first.call_sid,
            task_sid=first.task_sid,
            gateway=first.gateway,
            epoch=first.epoch,
            at=last.at,
            reason=self.reason,
            first_number=first.number,
            last_number=last.number,
            tracks=tuple(
                DroppedTrack(name, runs.runs()) for name, runs in sorted(self._tracks.items())
            ),
        )
