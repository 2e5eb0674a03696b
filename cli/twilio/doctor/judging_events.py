"""Judgements about the way of events: the Kinesis stream, the bridge, the last event. Pure."""

from cli.twilio.doctor.facts import Facts
from cli.twilio.doctor.results import CheckOutcome, CheckTrouble, failure, not_checked, ok, warning

_SECOND, _HOUR = 1_000, 60 * 60 * 1_000
LAG_WARNING_MS, LAG_FAILURE_MS = 60 * _SECOND, 600 * _SECOND
QUIET_MS = 24 * _HOUR
MIN_RETENTION_HOURS = 48


def kinesis_stream(facts: Facts) -> CheckOutcome:
    """Judge the Kinesis stream itself."""
    kinesis = facts.kinesis
    if isinstance(kinesis.stream, CheckTrouble):
        remedy = (
            "check AWS_REGION, FLEXCAPTURE_KINESIS_STREAM and the AWS credentials (`flexcapture "
            "twilio setup --dry-run` prints the permissions of the bridge)"
        )
        return failure(f"Kinesis stream {kinesis.name}: {kinesis.stream.why}", remedy)
    stream = kinesis.stream
    if stream.status not in ("ACTIVE", "UPDATING"):
        return failure(f"Kinesis stream {kinesis.name} is {stream.status}", "wait, or create it")
    if kinesis.is_local:
        return ok(f"{kinesis.name} is in an emulator on this machine")
    if stream.retention_hours < MIN_RETENTION_HOURS:
        return warning(
            f"{kinesis.name} keeps records for {stream.retention_hours} h: a bridge that is away "
            "for longer loses events",
            f"aws kinesis increase-stream-retention-period --stream-name {kinesis.name} "
            "--retention-period-hours 168",
        )
    return ok(f"{kinesis.name} is active and keeps records for {stream.retention_hours} h")


def kinesis_lag(facts: Facts) -> CheckOutcome:
    """Judge how far the bridge is behind."""
    lags = facts.kinesis.lags
    if isinstance(lags, CheckTrouble):
        return not_checked(lags.why)
    waiting = [each for each in lags if each.lag_ms]
    remedy = "check that `flexcapture bridge` runs and is healthy (its /healthz and its log)"
    if waiting and not any(each.is_begun for each in lags):
        return failure("no bridge has read the Kinesis stream, and it has records", remedy)
    worst = max((each.lag_ms for each in lags), default=0)
    text = f"the oldest event that is not bridged is {worst / _SECOND:.0f} s old"
    if worst > LAG_FAILURE_MS:
        return failure(text, remedy)
    if worst > LAG_WARNING_MS:
        return warning(text, remedy)
    return ok(f"the bridge is up to date, {len(lags)} shards")


def last_event(facts: Facts) -> CheckOutcome:
    """Judge the age of the last event on `cti.events`."""
    if isinstance(facts.kafka, CheckTrouble):
        return not_checked("Kafka cannot be asked")
    at = facts.kafka.last_event_at
    if isinstance(at, CheckTrouble):
        return not_checked(at.why)
    remedy = (
        "place a call and repeat this; if nothing changes, see the checks `sink`, `subscription`, "
        "`event-alerts` and `kinesis-lag`"
    )
    if at is None:
        return warning("no event has arrived yet", remedy)
    hours = (facts.now - at) / _HOUR
    if facts.now - at > QUIET_MS:
        return warning(f"the last event arrived {hours:.0f} h ago", remedy)
    return ok(f"the last event arrived {hours * 60:.0f} min ago")
