"""The facts of a healthy installation."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
from cli.twilio.kinesis import KinesisStream
from pipeline.calls.identities import words_of_worker
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


def of_gateway(**changes: Any) -> Plant:
    return lambda facts: replace(facts, gateway=replace(facts.gateway, **changes))


def of_account(**changes: Any) -> Plant:
    def planted(facts: Facts) -> Facts:
        assert isinstance(facts.account, AccountFacts)
        return replace(facts, account=replace(facts.account, **changes))

    return planted


def of_kinesis(**changes: Any) -> Plant:
    return lambda facts: replace(facts, kinesis=replace(facts.kinesis, **changes))


def of_kafka(**changes: Any) -> Plant:
    def planted(facts: Facts) -> Facts:
        assert isinstance(facts.kafka, KafkaFacts)
        return replace(facts, kafka=replace(facts.kafka, **changes))

    return planted


def of_facts(**changes: Any) -> Plant:
    return lambda facts: replace(facts, **changes)
