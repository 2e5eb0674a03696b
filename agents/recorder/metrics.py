"""The recorder's metrics."""

from prometheus_client import Counter, Gauge, Histogram

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

RECORDS_READ = Counter("flexcapture_recorder_records_total", "Records read from media")
OPEN_RECORDINGS = Gauge(
    "flexcapture_recorder_open_recordings", "Recordings that this process is assembling"
)
LAG_RECORDS = Gauge(
    "flexcapture_recorder_lag_records", "Records of media that this process has not read yet"
)
LAG_SECONDS = Gauge(
    "flexcapture_recorder_lag_seconds",
    "Age of the oldest record that this process has not read yet, 0 if there is none",
)
RETENTION_USED = Gauge(
    "flexcapture_recorder_retention_used_ratio",
    "Age of the oldest unread record divided by media's retention; at 1 audio is deleted unread",
)
EXPIRED_RECORDS = Counter(
    "flexcapture_recorder_expired_records_total",
    "Records of media that were deleted before they were read",
)
STALLED_PARTITIONS = Gauge(
    "flexcapture_recorder_stalled_partitions",
    "Partitions stopped because an unfinished recording lacks stored parts",
)
HELD_PARTITIONS = Gauge(
    "flexcapture_recorder_held_partitions",
    "Partitions that wait because Kafka does not accept the recorder's records for them",
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
