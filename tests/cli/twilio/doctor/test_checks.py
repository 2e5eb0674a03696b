"""Each planted fault is named by its check, and no check that does not depend on it fails."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli.twilio.doctor.checks import CHECKS, results
from cli.twilio.doctor.facts import (
    Alert,
    GatewayFacts,
    ListFacts,
    ShardLag,
    TlsFacts,
)
from cli.twilio.doctor.report import failed
from cli.twilio.doctor.results import CheckTrouble
from pipeline.check_results import CheckStatus
from pipeline.cluster.topic_checks import TopicFinding
from pipeline.twilio.event_streams import WANTED_TYPES, Subscription
from tests.cli.twilio.accounts import STREAM_ARN
from tests.cli.twilio.doctor.healthy import (
    ANN,
    DAY,
    HEALTHY,
    HOUR,
    NOW,
    SINK,
    STREAM,
    Plant,
    of_account,
    of_facts,
    of_gateway,
    of_kafka,
    of_kinesis,
)


def _finding(problem: str, *, loses_data: bool) -> TopicFinding:
    return TopicFinding("media", problem, "", "", loses_data=loses_data)


def _subscribed(*types: str) -> tuple[Subscription, ...]:
    return (Subscription("DF1", "", "DG1", dict.fromkeys(types, 1)),)


FAILURES: list[tuple[str, str, Plant]] = [
    ("account", "refuses", of_account(rest=CheckTrouble("401 20003: Authenticate", 401))),
    (
        "account",
        "not set",
        of_facts(account=CheckTrouble("FLEXCAPTURE_TWILIO_AUTH_TOKEN is not set")),
    ),
    ("account", "does not answer", of_account(rest=CheckTrouble("0 -: no answer within 10 s"))),
    ("auth-token", "401", of_account(auth_token=CheckTrouble("401 20003: Authenticate", 401))),
    ("api-rights", "Event Streams", of_account(sinks=CheckTrouble("403 20403: denied", 403))),
    ("api-rights", "TaskRouter", of_account(workers=CheckTrouble("403 20403: denied", 403))),
    ("api-rights", "Monitor", of_account(alerts=CheckTrouble("403 20403: denied", 403))),
    ("api-rights", "recordings", of_account(lists={"recordings": CheckTrouble("403: no", 403)})),
    ("api-rights", "not have", of_account(workers=CheckTrouble("404 20404: not found", 404))),
    ("sink", "no sink", of_account(sinks=())),
    ("sink", "no sink", of_account(sinks=(replace(SINK, arn=STREAM_ARN + "-2"),))),
    ("sink", "failed", of_account(sinks=(replace(SINK, status="failed"),))),
    ("subscription", "no subscription", of_account(subscriptions=())),
    ("subscription", WANTED_TYPES[0], of_account(subscriptions=_subscribed(*WANTED_TYPES[1:]))),
    ("event-alerts", "91303", of_account(alerts=(Alert("NO2", 91303, NOW - 1000, ""),))),
    ("event-alerts", "93104", of_account(alerts=(Alert("NO2", 93104, 0, ""),))),
    ("media-alerts", "audio was thrown", of_account(alerts=(Alert("NO2", 31930, NOW, ""),))),
    ("kinesis-stream", "no such", of_kinesis(stream=CheckTrouble("no such stream"))),
    ("kinesis-stream", "DELETING", of_kinesis(stream=replace(STREAM, status="DELETING"))),
    ("kinesis-lag", "700 s", of_kinesis(lags=(ShardLag("s", is_begun=True, lag_ms=700_000),))),
    ("kinesis-lag", "no bridge", of_kinesis(lags=(ShardLag("s", is_begun=False, lag_ms=5),))),
    ("gateway-dns", "not set", of_gateway(url=None)),
    ("gateway-dns", "example.com", of_gateway(addresses=CheckTrouble("Name or service not known"))),
    (
        "gateway-certificate",
        "expired",
        of_gateway(tls=CheckTrouble("SSL: certificate has expired")),
    ),
    ("gateway-tls", "refused", of_gateway(tls=CheckTrouble("ConnectionRefusedError: refused"))),
    ("gateway-tls", "TLSv1.1", of_gateway(tls=TlsFacts("TLSv1.1", NOW + 60 * DAY))),
    ("load-balancer", "200", of_gateway(unsigned=200)),
    ("load-balancer", "502", of_gateway(unsigned=502)),
    ("load-balancer", "503", of_gateway(unsigned=503)),
    ("load-balancer", "404", of_gateway(unsigned=404)),
    ("load-balancer", "301", of_gateway(unsigned=301)),
    ("load-balancer", "no answer", of_gateway(unsigned=CheckTrouble("no answer within 6 s"))),
    ("signature-required", "anyone", of_gateway(unsigned=101)),
    ("signed-handshake", "403", of_gateway(signed=403)),
    ("signed-handshake", "426", of_gateway(signed=426)),
    ("signed-handshake", "no valid answer", of_gateway(signed=CheckTrouble("no valid answer"))),
    ("clocks", "61.0 s ahead", of_kafka(skew_ms=61_000)),
    ("clocks", "90.0 s behind Twilio", of_account(skew_ms=-90_000)),
    ("kafka", "no broker", of_facts(kafka=CheckTrouble("KafkaConnectionError: no broker"))),
    ("topics", "cti.events", of_kafka(missing=("cti.events",))),
    ("topics", "12 partitions", of_kafka(partitions={"media": 12})),
    (
        "topics",
        "min.insync",
        of_kafka(findings=(_finding("min.insync.replicas", loses_data=True),)),
    ),
    ("database", "refused", of_facts(database=CheckTrouble("OperationalError: refused"))),
    ("recordings-store", "read-only", of_facts(store=CheckTrouble("StoreError: read-only"))),
    ("monitored-list", "no list", of_facts(monitored=ListFacts())),
    ("monitored-list", "cannot", of_facts(monitored=ListFacts("/l", why="cannot be read"))),
    ("monitored-list", "line 3", of_facts(monitored=ListFacts("/l", ("*",), bad=("line 3",)))),
    ("monitored-list", "empty", of_facts(monitored=ListFacts("/list"))),
]
WARNINGS: list[tuple[str, str, Plant]] = [
    ("api-rights", "Monitor", of_account(alerts=CheckTrouble("503 -: unavailable", 503))),
    ("subscription", "more than once", of_account(subscriptions=_subscribed(*WANTED_TYPES) * 2)),
    ("event-alerts", "91300", of_account(alerts=(Alert("NO2", 91300, NOW - 2 * HOUR, ""),))),
    ("media-alerts", "31902", of_account(alerts=(Alert("NO2", 31902, NOW - 2 * HOUR, ""),))),
    ("kinesis-stream", "24 h", of_kinesis(stream=replace(STREAM, retention_hours=24))),
    ("kinesis-lag", "90 s", of_kinesis(lags=(ShardLag("s", is_begun=True, lag_ms=90_000),))),
    ("last-event", "no event", of_kafka(last_event_at=None)),
    ("last-event", "30 h", of_kafka(last_event_at=NOW - 30 * HOUR)),
    ("gateway-certificate", "3 days", of_gateway(tls=TlsFacts("TLSv1.2", NOW + 3 * DAY))),
    ("clocks", "3.0 s behind", of_kafka(skew_ms=-3_000)),
    ("topics", "segment.ms", of_kafka(findings=(_finding("segment.ms", loses_data=False),))),
    ("replication", "1 replicas", of_kafka(replicas=1)),
    ("list-entries", "joe@", of_facts(monitored=ListFacts("/l", ("*", "joe@example.com")))),
    ("list-entries", "team:blue", of_facts(monitored=ListFacts("/l", ("*", "team:blue")))),
    ("unlisted-workers", "Ben", of_facts(monitored=ListFacts("/l", (ANN,)))),
]


def test_a_healthy_installation_is_ok() -> None:
    """Every check is ok, without a remedy."""
    found = results(HEALTHY)
    assert [] == [each for each in found if each.status is not CheckStatus.OK or each.remedy]
    assert not failed(found)


def test_capture_after_the_call_needs_no_gateway() -> None:
    """Nothing is amiss without a public URL then."""
    found = results(of_facts(gateway=GatewayFacts(None, is_needed=False))(HEALTHY))
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


def test_each_check_is_on_its_page() -> None:
    """docs/doctor.md has a row with the name and the meaning of each check, in their order."""
    page = (Path(__file__).parents[4] / "docs" / "doctor.md").read_text("utf-8")
    table = page.partition("## The checks")[2]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    assert [(f"`{c.name}`", c.meaning) for c in CHECKS] == [
        (name.strip(), meaning.strip()) for name, meaning in rows
    ]
