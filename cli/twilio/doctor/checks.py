"""All checks, in the order of the chain. Each is a judgement over facts. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from cli.twilio.doctor import (
    judging_account,
    judging_events,
    judging_gateway,
    judging_list,
    judging_storage,
)
from cli.twilio.doctor.facts import Facts
from cli.twilio.doctor.results import CheckOutcome
from pipeline.check_results import CheckResult

HIDDEN = "***"
MIN_SECRET = 4
"""The least number of characters of a secret that is searched for: a shorter one could occur in any
text."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check. `meaning`: of the status `ok`, for docs/doctor.md."""

    name: str
    meaning: str
    judge: Callable[[Facts], CheckOutcome]


CHECKS = (
    Check("account", "Twilio accepts the credentials of the REST API", judging_account.account),
    Check("auth-token", "the auth token is the account's", judging_account.auth_token),
    Check("api-rights", "the credentials may use each API", judging_account.api_rights),
    Check("sink", "an active sink leads to the Kinesis stream", judging_account.sink),
    Check("subscription", "all event types are subscribed", judging_account.subscription),
    Check("event-alerts", "Twilio has no alerts about the sink", judging_account.event_alerts),
    Check("kinesis-stream", "the Kinesis stream is active", judging_events.kinesis_stream),
    Check("kinesis-lag", "the bridge is up to date", judging_events.kinesis_lag),
    Check("last-event", "events arrive on Kafka", judging_events.last_event),
    Check("gateway-dns", "the public URL's host has an address", judging_gateway.gateway_dns),
    Check("gateway-tls", "a TLS connection is possible", judging_gateway.gateway_tls),
    Check("gateway-certificate", "the certificate is good", judging_gateway.gateway_certificate),
    Check("load-balancer", "handshakes reach a gateway", judging_gateway.load_balancer),
    Check("signature-required", "strangers are refused", judging_gateway.signature_required),
    Check("signed-handshake", "Twilio would be accepted", judging_gateway.signed_handshake),
    Check("media-alerts", "no alerts about media streams", judging_account.media_alerts),
    Check("clocks", "the clocks agree", judging_storage.clocks),
    Check("kafka", "Kafka answers", judging_storage.kafka),
    Check("topics", "the topics are as they must be", judging_storage.topics),
    Check("replication", "a broker can be lost without records", judging_storage.replication),
    Check("database", "the database can be used", judging_storage.database),
    Check("recordings-store", "the recordings store can be used", judging_storage.recordings_store),
    Check("monitored-list", "the monitored list is valid", judging_list.monitored_list),
    Check("list-entries", "each entry names a worker", judging_list.list_entries),
    Check("unlisted-workers", "each worker is on the list", judging_list.unlisted_workers),
)


def results(facts: Facts, secrets: Iterable[str] = ()) -> list[CheckResult]:
    """Return the result of every check. `secrets` do not occur in it."""
    hidden = [secret for secret in secrets if len(secret) >= MIN_SECRET]
    return [_hiding(_result(check, facts), hidden) for check in CHECKS]


def _result(check: Check, facts: Facts) -> CheckResult:
    outcome = check.judge(facts)
    return CheckResult(check.name, outcome.status, outcome.detail, outcome.remedy)


def _hiding(result: CheckResult, secrets: list[str]) -> CheckResult:
    detail, remedy = result.detail, result.remedy
    for secret in secrets:
        detail, remedy = detail.replace(secret, HIDDEN), remedy.replace(secret, HIDDEN)
    return replace(result, detail=detail, remedy=remedy)
