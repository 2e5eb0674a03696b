"""The recorder's metrics."""

from prometheus_client import Counter, Histogram

from schemas.records import RecordingCompleted

BEGAN = Counter("flexcapture_recorder_recordings_started_total", "Recordings begun")
COMPLETED = Counter(
    "flexcapture_recorder_recordings_completed_total", "Recordings completed", ["reason"]
)
FRAMES = Counter(
    "flexcapture_recorder_frames_total", "Frames of complete recordings, by outcome", ["outcome"]
)
LOST = Counter(
    "flexcapture_recorder_frames_lost_total", "Frames lost in complete recordings", ["reason"]
)
SUPPLEMENTS = Counter(
    "flexcapture_recorder_supplements_total",
    "Supplements: recordings of audio that came after its recording was complete",
)
SEGMENTS = Counter("flexcapture_recorder_segments_total", "Segments stored")
REFUSED = Counter("flexcapture_recorder_refused_total", "Records sent to dead letters", ["reason"])
IGNORED = Counter("flexcapture_recorder_ignored_total", "Records without effect", ["reason"])
FAILURES = Counter(
    "flexcapture_recorder_failures_total", "Attempts to store or publish that failed", ["where"]
)
FINISHING = Histogram(
    "flexcapture_recorder_finishing_seconds",
    "Time from a media stream's close on the log to the publication of its recording",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300),
)


def count_completed(done: RecordingCompleted) -> None:
    """Count a complete recording and its frames."""
    COMPLETED.labels(done.reason).inc()
    for outcome in ("received", "lost", "duplicate", "overlap", "invalid", "withheld"):
        FRAMES.labels(outcome).inc(getattr(done, outcome))
    for reason, frames in done.lost_for.items():
        LOST.labels(reason).inc(frames)
    if done.supplement_of:
        SUPPLEMENTS.inc()
