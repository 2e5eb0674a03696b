"""The Twilio adapter's metrics."""

from prometheus_client import Counter, Enum, Gauge, Histogram

from pipeline.twilio.circuit_breaker import Trouble

# commands
COMMANDS_UNDER_WAY = Gauge("flexcapture_twilio_commands_under_way", "Commands not answered yet")
RETRIES = Counter("flexcapture_twilio_retries", "Requests that were repeated", ["command", "why"])
COMMANDS_ANSWERED = Counter(
    "flexcapture_twilio_commands", "Commands answered", ["command", "outcome"]
)
COMMAND_SECONDS = Histogram(
    "flexcapture_twilio_command_seconds",
    "Time from a command's issue to its answer",
    ["command"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2, 5, 10, 30, 60),
)
LAG_RECORDS = Gauge(
    "flexcapture_twilio_lag_records", "Commands of this process's partitions that are not answered"
)
LAG_SECONDS = Gauge(
    "flexcapture_twilio_lag_seconds", "Age of the oldest command under way, 0 if there is none"
)

# requests
REQUESTS = Counter(
    "flexcapture_twilio_requests", "Requests to Twilio's API", ["request", "outcome"]
)
REQUEST_SECONDS = Histogram(
    "flexcapture_twilio_request_seconds", "Time from a request to Twilio's answer", ["request"]
)
REQUESTS_IN_FLIGHT = Gauge(
    "flexcapture_twilio_requests_in_flight", "Requests that Twilio has not answered"
)
TWILIO_STATE = Enum(
    "flexcapture_twilio_state",
    "Trouble with Twilio: none, failing, refused (the credentials)",
    states=[trouble.value for trouble in Trouble],
)
REQUESTS_WAITING = Gauge(
    "flexcapture_twilio_requests_waiting", "Requests to Twilio that wait for their turn"
)

# media streams
STARTED_WITHOUT_SOCKET = Counter(
    "flexcapture_started_without_socket",
    "Media streams that Twilio started and that reached no gateway within 10 s",
)
