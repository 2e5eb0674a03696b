"""Judgements about the account at Twilio: credentials, sink, subscription, alerts. Pure."""

from collections.abc import Iterator, Sequence

from cli.twilio.doctor.facts import AccountFacts, Alert, Facts
from cli.twilio.doctor.results import CheckOutcome, CheckTrouble, failure, not_checked, ok, warning
from pipeline.times import rfc3339
from pipeline.twilio.event_streams import EventSink, best_of, leads_to, missing_types, surplus_types

SETUP = "run `flexcapture twilio setup`"
_TOKEN = "FLEXCAPTURE_TWILIO_AUTH_TOKEN"  # noqa: S105 - a name
_WORKSPACE = "FLEXCAPTURE_TWILIO_WORKSPACE_SID and FLEXCAPTURE_TWILIO_ACCOUNT_SID"
NO_ACCOUNT = "the account cannot be asked"
RECENT_MS = 60 * 60 * 1000
EVENT_CODES = frozenset({91000, 91001, 93104, *range(91300, 91400)})
MEDIA_CODES = frozenset(range(31900, 32000))
_MEANINGS = {
    91000: "bad sink configuration",
    91001: "sink not found",
    93104: "bad ARN or region",
    91300: "delivery failed: permissions of the role, or name of the Kinesis stream",
    91302: "throttled by Kinesis: more shards, or on-demand mode",
    91303: "event dropped for good",
    91304: "internal error, retried",
    91305: "refused, not retried",
    91308: "time-out",
    31901: "time-out of the connection to the gateway",
    31902: "the gateway refused the connection",
    31920: "the handshake was not answered with 101",
    31921: "the socket was closed",
    31924: "protocol error",
    31930: "buffer overflow: audio was thrown away",
    31941: "invalid track",
}


def account(facts: Facts) -> CheckOutcome:
    """Judge the credentials of the REST API."""
    if isinstance(facts.account, CheckTrouble):
        return failure(
            facts.account.why,
            f"set FLEXCAPTURE_TWILIO_ACCOUNT_SID and {_TOKEN} (or an API key)",
        )
    if (trouble := facts.account.rest) is None:
        return ok("Twilio accepts the credentials")
    if trouble.status in (401, 403, 404):
        remedy = (
            "compare FLEXCAPTURE_TWILIO_ACCOUNT_SID, the auth token and the API key with Twilio "
            "Console, Account, API keys and tokens"
        )
        return failure(f"Twilio refuses the credentials: {trouble.why}", remedy)
    return failure(f"Twilio's API does not answer: {trouble.why}", "check the network to Twilio")


def auth_token(facts: Facts) -> CheckOutcome:
    """Judge the auth token, with which Twilio signs handshakes."""
    found = _usable(facts)
    if not isinstance(found, AccountFacts):
        return found
    if (trouble := found.auth_token) is None:
        return ok("the auth token is the account's")
    if trouble.status == 0:
        return not_checked(trouble.why)
    remedy = f"set {_TOKEN} to the account's primary auth token, also if there is an API key"
    return failure(f"{trouble.why}: gateways would refuse every media stream", remedy)


def refuses_token(facts: Facts) -> bool:
    """Return whether Twilio refuses the auth token, or the credentials altogether."""
    if isinstance(facts.account, CheckTrouble):
        return False
    troubles = (facts.account.rest, facts.account.auth_token)
    return any(each is not None and each.status in (401, 403) for each in troubles)


def api_rights(facts: Facts) -> CheckOutcome:
    """Judge the rights of the credentials for each administrative API."""
    found = _usable(facts)
    if not isinstance(found, AccountFacts):
        return found
    by_api = {
        "Event Streams": found.sinks,
        "TaskRouter": found.workers,
        "Monitor": found.alerts,
        **found.lists,
    }
    troubles = {name: fact for name, fact in by_api.items() if isinstance(fact, CheckTrouble)}
    refused = [name for name, trouble in troubles.items() if trouble.status in (401, 403)]
    if refused:
        remedy = "give the API key the right to read these APIs, or use a main key"
        return failure(f"the credentials may not use: {', '.join(refused)}", remedy)
    if any(trouble.status == 404 for trouble in troubles.values()):
        absent = "; ".join(f"{n}: {t.why}" for n, t in troubles.items() if t.status == 404)
        return failure(f"the account does not have: {absent}", f"check {_WORKSPACE}")
    if troubles:
        text = "; ".join(f"{name}: {trouble.why}" for name, trouble in troubles.items())
        return warning(f"no answer: {text}", "repeat this command")
    return ok(f"they may use: {', '.join(by_api)}")


def sink(facts: Facts) -> CheckOutcome:
    """Judge whether Twilio has an active sink for the Kinesis stream."""
    found = _usable(facts)
    if not isinstance(found, AccountFacts):
        return found
    if isinstance(found.sinks, CheckTrouble):
        return not_checked(found.sinks.why)
    name = facts.kinesis.name
    best = best_of(_leading(found.sinks, facts))
    if best is None and isinstance(facts.kinesis.stream, CheckTrouble):
        return not_checked(f"there is no Kinesis stream {name} to look for")
    if best is None:
        return failure(f"no sink leads to the Kinesis stream {name}", SETUP)
    if not best.is_active:
        return failure(f"sink {best.sid} is {best.status}, not active: no event arrives", SETUP)
    return ok(f"sink {best.sid} is active")


def subscription(facts: Facts) -> CheckOutcome:
    """Judge whether all event types that the product reads are subscribed."""
    found = _usable(facts)
    if not isinstance(found, AccountFacts):
        return found
    for fact in (found.sinks, found.subscriptions):
        if isinstance(fact, CheckTrouble):
            return not_checked(fact.why)
    assert not isinstance(found.sinks, CheckTrouble)
    assert not isinstance(found.subscriptions, CheckTrouble)
    active = {each.sid for each in _leading(found.sinks, facts) if each.is_active}
    if not active:
        return not_checked("there is no active sink")
    types = [name for s in found.subscriptions if s.sink_sid in active for name in s.types]
    if not types:
        return failure("no subscription delivers events to the sink", SETUP)
    offered = None if isinstance(found.offered, CheckTrouble) else found.offered
    if missing := missing_types(types, offered):
        return failure(f"event types are not subscribed: {', '.join(missing)}", SETUP)
    return _of_surplus(types)


def _of_surplus(types: Sequence[str]) -> CheckOutcome:
    repeated = len(types) - len(set(types))
    if repeated:
        return warning(
            f"{repeated} event types are subscribed more than once: each event arrives several "
            "times, and counts once",
            "delete all subscriptions of the sink but one",
        )
    surplus = surplus_types(types)
    also = f", and {len(surplus)} that the product does not read" if surplus else ""
    return ok(f"{len(types) - len(surplus)} event types are subscribed{also}")


def event_alerts(facts: Facts) -> CheckOutcome:
    """Judge Twilio's alerts about the sink."""
    return _of_alerts(facts, EVENT_CODES, "docs/getting-started.md, step 3, and the role on AWS")


def media_alerts(facts: Facts) -> CheckOutcome:
    """Judge Twilio's alerts about media streams."""
    return _of_alerts(facts, MEDIA_CODES, "the load balancer, the gateways and their network")


def _of_alerts(facts: Facts, codes: frozenset[int], place: str) -> CheckOutcome:
    found = _usable(facts)
    if not isinstance(found, AccountFacts):
        return found
    if isinstance(found.alerts, CheckTrouble):
        return not_checked(found.alerts.why)
    alerts = [alert for alert in found.alerts if alert.code in codes]
    if not alerts:
        return ok("no alert in the last 24 h")
    newest = max(alerts, key=lambda alert: alert.at or facts.now)
    text, remedy = "; ".join(_counted(alerts)), f"check {place}; Twilio Console, Monitor, Errors"
    if facts.now - (newest.at or facts.now) <= RECENT_MS:
        return failure(f"in the last hour: {text}", remedy)
    return warning(f"the last one at {rfc3339(newest.at)}: {text}", remedy)


def _counted(alerts: Sequence[Alert]) -> Iterator[str]:
    for code in sorted({alert.code for alert in alerts}):
        number = sum(alert.code == code for alert in alerts)
        meaning = _MEANINGS.get(code, next(a.text for a in alerts if a.code == code)[:120])
        yield f"{number} x {code} ({meaning})"


def _leading(sinks: Sequence[EventSink], facts: Facts) -> list[EventSink]:
    stream = facts.kinesis.stream
    arn = "" if isinstance(stream, CheckTrouble) else stream.arn
    return [sink for sink in sinks if leads_to(sink, facts.kinesis.name, arn)]


def _usable(facts: Facts) -> AccountFacts | CheckOutcome:
    """Return the account's facts, or the outcome if there are none."""
    if isinstance(facts.account, CheckTrouble) or facts.account.rest is not None:
        return not_checked(NO_ACCOUNT)
    return facts.account
