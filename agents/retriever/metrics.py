"""The retriever's metrics."""

from prometheus_client import Counter, Gauge

JOBS = Gauge("flexcapture_retriever_jobs", "Calls that wait for one of Twilio's recordings")
OLDEST_JOB = Gauge(
    "flexcapture_retriever_oldest_job_seconds",
    "Seconds since the oldest job that is still waiting was due",
)
ATTEMPTS = Counter("flexcapture_retriever_attempts_total", "Attempts by their result", ["result"])
RETRIEVED = Counter(
    "flexcapture_retriever_recordings_total",
    "Recordings stored, by the confidence of their alignment",
    ["confidence"],
)
REFUSED = Counter(
    "flexcapture_retriever_refused_total", "Twilio's recordings that could not be used"
)
OVER = Counter("flexcapture_retriever_jobs_over_total", "Jobs that are over, by state", ["state"])
BYTES = Counter("flexcapture_retriever_downloaded_bytes_total", "Bytes downloaded from Twilio")
DELETED = Counter("flexcapture_retriever_deleted_total", "Recordings deleted at Twilio")
FAILURES = Counter(
    "flexcapture_retriever_failures_total", "Attempts that failed for a reason that may pass"
)
POST_CALL = Gauge(
    "flexcapture_capture_post_call",
    "1 if calls are captured only after their end: then missing media streams are no fault",
)
