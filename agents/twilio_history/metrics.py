"""Metrics of the requests about calls that are over."""

from prometheus_client import Counter, Gauge

HISTORY_REQUESTS = Counter(
    "flexcapture_twilio_history_requests",
    "Requests to Twilio about calls that are over",
    ["request", "outcome"],
)
HISTORY_IN_FLIGHT = Gauge(
    "flexcapture_twilio_history_in_flight", "Such requests that Twilio has not answered"
)
HISTORY_PERMITS = Gauge(
    "flexcapture_twilio_history_permits",
    "How many such requests this process may have in flight; the installation has a fixed number",
)
HISTORY_WAITING = Gauge(
    "flexcapture_twilio_history_waiting", "Such requests that wait for a permit or for a pause"
)
HISTORY_PAUSE_SECONDS = Gauge(
    "flexcapture_twilio_history_pause_seconds", "Pause after a 429 between such requests, or 0"
)
