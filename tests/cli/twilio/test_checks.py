"""Each planted fault is named by its check, and no check that does not depend on it fails."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.twilio.doctor.checks import CHECKS, HIDDEN, results
from cli.twilio.doctor.facts import (
    AccountFacts,
    Alert,
    Facts,
    GatewayFacts,
    KafkaFacts,
    KinesisFacts,
    ListedWorker,
    ListFacts,
    ShardLag,
    TlsFacts,
)
from cli.twilio.doctor.report import as_json, as_metrics, as_text, failed
from cli.twilio.doctor.results import CheckTrouble
from cli.twilio.kinesis import KinesisStream
from pipeline.calls.identities import words_of_worker
from pipeline.check_results import CheckStatus
from pipeline.cluster.topic_checks import TopicFinding
from pipeline.twilio.event_streams import WANTED_TYPES, EventSink, Subscription
from tests.cli.twilio.accounts import STREAM_ARN

NOW = 1_800_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
ANN = "ann@example.com"
SINK = EventSink("DG1", "made by hand", "kinesis", "active", STREAM_ARN, "role", "id")
STREAM = KinesisStream(STREAM_ARN, "ACTIVE", 168, 2)


def _worker(sid: str, name: str, **attributes: str) -> ListedWorker:
    return ListedWorker(sid, name, words_of_worker(sid, name, json.dumps(attributes)))


WORKERS = (
    _worker("WK" + "1" * 32, "ann", email=ANN, team_name="Gold"),
    _worker("WK" + "2" * 32, "Ben", contact_uri="client:ben_40example_2Ecom"),
)
HEALTHY = Facts(
    now=NOW,
    account=AccountFacts(
        sinks=(SINK,),
        subscriptions=(Subscription("DF1", "", "DG1", dict.fromkeys(WANTED_TYPES, 1)),),
        offered=frozenset(WANTED_TYPES),
        alerts=(Alert("NO1", 11200, NOW, "of another product"),),
        workers=WORKERS,
        skew_ms=300,
    ),
    kinesis=KinesisFacts("flex-events", STREAM, (ShardLag("s-0", is_begun=True, lag_ms=900),)),
    gateway=GatewayFacts(
        "wss://example.com/media",
        ("192.0.2.1",),
        TlsFacts("TLSv1.3", NOW + 60 * DAY),
        403,
        101,
    ),
    kafka=KafkaFacts(brokers=3, replicas=3, skew_ms=-100, last_event_at=NOW - HOUR),
    database="postgresql",
    store="s3",
    monitored=ListFacts("/list", ("team:gold", "worker:ben", "!queue:legal")),
)

Plant = Callable[[Facts], Facts]


def _account(**changes: Any) -> Plant:
    def planted(facts: Facts) -> Facts:
        assert isinstance(facts.account, AccountFacts)
        return replace(facts, account=replace(facts.account, **changes))

    return planted


def _kinesis(**changes: Any) -> Plant:
    return lambda facts: replace(facts, kinesis=replace(facts.kinesis, **changes))


def _gateway(**changes: Any) -> Plant:
    return lambda facts: replace(facts, gateway=replace(facts.gateway, **changes))


def _kafka(**changes: Any) -> Plant:
    def planted(facts: Facts) -> Facts:
        assert isinstance(facts.kafka, KafkaFacts)
        return replace(facts, kafka=replace(facts.kafka, **changes))

    return planted


def _facts(**changes: Any) -> Plant:
    return lambda facts: replace(facts, **changes)


def _finding(problem: str, *, loses_data: bool) -> TopicFinding:
    return TopicFinding("media", problem, "", "", loses_data=loses_data)


def _subscribed(*types: str) -> tuple[Subscription, ...]:
    return (Subscription("DF1", "", "DG1", dict.fromkeys(types, 1)),)


FAILURES: list[tuple[str, str, Plant]] = [
    ("account", "refuses", _account(rest=CheckTrouble("401 20003: Authenticate", 401))),
    (
        "account",
        "not set",
        _facts(account=CheckTrouble("FLEXCAPTURE_TWILIO_AUTH_TOKEN is not set")),
    ),
    ("account", "does not answer", _account(rest=CheckTrouble("0 -: no answer within 10 s"))),
    ("auth-token", "401", _account(auth_token=CheckTrouble("401 20003: Authenticate", 401))),
    ("api-rights", "Event Streams", _account(sinks=CheckTrouble("403 20403: denied", 403))),
    ("api-rights", "TaskRouter", _account(workers=CheckTrouble("403 20403: denied", 403))),
    ("api-rights", "Monitor", _account(alerts=CheckTrouble("403 20403: denied", 403))),
    ("sink", "no sink", _account(sinks=())),
    ("sink", "no sink", _account(sinks=(replace(SINK, arn=STREAM_ARN + "-2"),))),
    ("sink", "failed", _account(sinks=(replace(SINK, status="failed"),))),
    ("subscription", "no subscription", _account(subscriptions=())),
    ("subscription", WANTED_TYPES[0], _account(subscriptions=_subscribed(*WANTED_TYPES[1:]))),
    ("event-alerts", "91303", _account(alerts=(Alert("NO2", 91303, NOW - 1000, ""),))),
    ("event-alerts", "93104", _account(alerts=(Alert("NO2", 93104, 0, ""),))),
    ("media-alerts", "audio was thrown", _account(alerts=(Alert("NO2", 31930, NOW, ""),))),
    ("kinesis-stream", "no such", _kinesis(stream=CheckTrouble("no such stream"))),
    ("kinesis-stream", "DELETING", _kinesis(stream=replace(STREAM, status="DELETING"))),
    ("kinesis-lag", "700 s", _kinesis(lags=(ShardLag("s", is_begun=True, lag_ms=700_000),))),
    ("kinesis-lag", "no bridge", _kinesis(lags=(ShardLag("s", is_begun=False, lag_ms=5),))),
    ("gateway-dns", "not set", _gateway(url=None)),
    ("gateway-dns", "example.com", _gateway(addresses=CheckTrouble("Name or service not known"))),
    ("gateway-certificate", "expired", _gateway(tls=CheckTrouble("SSL: certificate has expired"))),
    ("gateway-tls", "refused", _gateway(tls=CheckTrouble("ConnectionRefusedError: refused"))),
    ("gateway-tls", "TLSv1.1", _gateway(tls=TlsFacts("TLSv1.1", NOW + 60 * DAY))),
    ("load-balancer", "200", _gateway(unsigned=200)),
    ("load-balancer", "502", _gateway(unsigned=502)),
    ("load-balancer", "503", _gateway(unsigned=503)),
    ("load-balancer", "404", _gateway(unsigned=404)),
    ("load-balancer", "301", _gateway(unsigned=301)),
    ("load-balancer", "no answer", _gateway(unsigned=CheckTrouble("no answer within 6 s"))),
    ("signature-required", "anyone", _gateway(unsigned=101)),
    ("signed-handshake", "403", _gateway(signed=403)),
    ("signed-handshake", "426", _gateway(signed=426)),
    ("signed-handshake", "no valid answer", _gateway(signed=CheckTrouble("no valid answer"))),
    ("clocks", "61.0 s ahead", _kafka(skew_ms=61_000)),
    ("clocks", "90.0 s behind Twilio", _account(skew_ms=-90_000)),
    ("kafka", "no broker", _facts(kafka=CheckTrouble("KafkaConnectionError: no broker"))),
    ("topics", "cti.events", _kafka(missing=("cti.events",))),
    ("topics", "12 partitions", _kafka(partitions={"media": 12})),
    ("topics", "min.insync", _kafka(findings=(_finding("min.insync.replicas", loses_data=True),))),
    ("database", "refused", _facts(database=CheckTrouble("OperationalError: refused"))),
    ("recordings-store", "read-only", _facts(store=CheckTrouble("StoreError: read-only"))),
    ("monitored-list", "no list", _facts(monitored=ListFacts())),
    ("monitored-list", "cannot", _facts(monitored=ListFacts("/l", why="cannot be read"))),
    ("monitored-list", "line 3", _facts(monitored=ListFacts("/l", ("*",), bad=("line 3",)))),
    ("monitored-list", "empty", _facts(monitored=ListFacts("/list"))),
]
WARNINGS: list[tuple[str, str, Plant]] = [
    ("api-rights", "Monitor", _account(alerts=CheckTrouble("503 -: unavailable", 503))),
    ("subscription", "more than once", _account(subscriptions=_subscribed(*WANTED_TYPES) * 2)),
    ("event-alerts", "91300", _account(alerts=(Alert("NO2", 91300, NOW - 2 * HOUR, ""),))),
    ("media-alerts", "31902", _account(alerts=(Alert("NO2", 31902, NOW - 2 * HOUR, ""),))),
    ("kinesis-stream", "24 h", _kinesis(stream=replace(STREAM, retention_hours=24))),
    ("kinesis-lag", "90 s", _kinesis(lags=(ShardLag("s", is_begun=True, lag_ms=90_000),))),
    ("last-event", "no event", _kafka(last_event_at=None)),
    ("last-event", "30 h", _kafka(last_event_at=NOW - 30 * HOUR)),
    ("gateway-certificate", "3 days", _gateway(tls=TlsFacts("TLSv1.2", NOW + 3 * DAY))),
    ("clocks", "3.0 s behind", _kafka(skew_ms=-3_000)),
    ("topics", "segment.ms", _kafka(findings=(_finding("segment.ms", loses_data=False),))),
    ("replication", "1 replicas", _kafka(replicas=1)),
    ("list-entries", "joe@", _facts(monitored=ListFacts("/l", ("*", "joe@example.com")))),
    ("list-entries", "team:blue", _facts(monitored=ListFacts("/l", ("*", "team:blue")))),
    ("unlisted-workers", "Ben", _facts(monitored=ListFacts("/l", (ANN,)))),
]


def test_a_healthy_installation_is_ok() -> None:
    """Every check is ok, without a remedy."""
    found = results(HEALTHY)
    assert [] == [each for each in found if each.status is not CheckStatus.OK or each.remedy]
    assert not failed(found)


def test_capture_after_the_call_needs_no_gateway() -> None:
    """Nothing is amiss without a public URL then."""
    found = results(_facts(gateway=GatewayFacts(None, is_needed=False))(HEALTHY))
    assert [] == [each for each in found if each.status is not CheckStatus.OK]


@pytest.mark.parametrize(("name", "words", "plant"), FAILURES)
def test_a_planted_fault_is_named(name: str, words: str, plant: Plant) -> None:
    """The one check that fails is the fault's, with a detail and a remedy. Checks that depend on it
    are warnings."""
    found = results(plant(HEALTHY))
    failures = [each for each in found if each.status is CheckStatus.FAILURE]
    assert [name] == [each.name for each in failures], found
    assert words in failures[0].detail
    assert failures[0].remedy
    assert failed(found)
    others = [each for each in found if each.status is CheckStatus.WARNING]
    assert all(each.detail.startswith("not checked") for each in others)


@pytest.mark.parametrize(("name", "words", "plant"), WARNINGS)
def test_a_planted_weakness_is_a_warning(name: str, words: str, plant: Plant) -> None:
    """It has a remedy, and the exit status stays 0."""
    found = results(plant(HEALTHY))
    (warned,) = [
        each for each in found if not each.detail.startswith("not checked") and each.remedy
    ]
    assert (name, CheckStatus.WARNING) == (warned.name, warned.status)
    assert words in warned.detail
    assert not failed(found)


def test_a_setting_that_is_not_set_here_is_no_failure() -> None:
    """The command may run on a machine that has no rights on the database or the store."""
    unset = CheckTrouble("FLEXCAPTURE_DATABASE_URL is not set", is_unset=True)
    found = results(replace(HEALTHY, database=unset, store=unset))
    not_ok = {each.name: each.status for each in found if each.status is not CheckStatus.OK}
    assert {"database": CheckStatus.WARNING, "recordings-store": CheckStatus.WARNING} == not_ok


def test_every_check_is_planted() -> None:
    """No check can be removed, or be ok always, without a test that fails."""
    assert {check.name for check in CHECKS} == {name for name, *_ in FAILURES + WARNINGS}
    assert 15 <= len({name for name, *_ in FAILURES})


def test_queues_and_stars_cover_workers() -> None:
    """With `*` or a queue, a worker without an entry is no finding."""
    for entries in (("*",), ("queue:claims",)):
        found = results(replace(HEALTHY, monitored=ListFacts("/l", entries)))
        assert [] == [each for each in found if each.status is not CheckStatus.OK]


def test_no_secret_is_shown() -> None:
    """Whatever an error's text contains."""
    facts = replace(HEALTHY, database=CheckTrouble("cannot reach postgresql://u:hunter22@db/x"))
    found = results(facts, ["hunter22", "", "x"])
    text = as_text(found) + json.dumps(as_json(found))
    assert "hunter22" not in text
    assert f"postgresql://u:{HIDDEN}@db/x" in text


def test_forms_of_the_result() -> None:
    """JSON has exactly the documented fields; the text ends with the sums; metrics are numbers."""
    found = results(_gateway(signed=403)(HEALTHY))
    (shown,) = [c for c in as_json(found)["checks"] if c["status"] == "failure"]
    assert {"name", "status", "detail", "remedy"} == set(shown)
    assert f"{len(CHECKS) - 1} ok, 0 warning, 1 failure" == as_text(found).splitlines()[-1]
    metrics = as_metrics(found, NOW)
    assert 'flexcapture_doctor_check_status{check="signed-handshake"} 2' in metrics
    assert 'flexcapture_doctor_check_status{check="kafka"} 0' in metrics
    assert "last_run_timestamp_seconds 1800000000.000" in metrics


def test_each_check_is_on_its_page() -> None:
    """docs/doctor.md has a row with the name and the meaning of each check, in their order."""
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text("utf-8")
    table = page.partition("## The checks")[2]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    assert [(f"`{c.name}`", c.meaning) for c in CHECKS] == [
        (name.strip(), meaning.strip()) for name, meaning in rows
    ]
