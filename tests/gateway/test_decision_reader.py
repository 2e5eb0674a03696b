"""What a gateway takes from `stream.events`: decisions, and whether another has its name."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.decisions import RecordingDecisions
from gateway.decision_reader import DecisionFollower
from gateway.sessions import MediaSession
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import GatewayAlive, GatewayStarted, RecordingDecided

STARTED = GatewayStarted("gateway-0", 100, 1)


@dataclass(frozen=True)
class Record:
    """As aiokafka gives it."""

    value: bytes
    topic: str = "stream.events"
    partition: int = 3
    offset: int = 0


def follower(replaced_by: list[int]) -> DecisionFollower:
    """Of the gateway with epoch 100."""
    decisions: RecordingDecisions[MediaSession] = RecordingDecisions()
    return DecisionFollower(Settings(), decisions, STARTED, lambda: 1, replaced_by.append)


@given(
    st.lists(st.tuples(st.sampled_from(["gateway-0", "gateway-1", ""]), st.integers(0, 200))),
    st.sampled_from([GatewayAlive, GatewayStarted]),
    st.sampled_from(["stream.events", "gateways.alive"]),
)
def test_only_a_greater_epoch_of_the_same_name_ends_a_gateway(
    signs: list[tuple[str, int]], kind: Any, topic: str
) -> None:
    """Neither its own, nor an earlier process's, nor another gateway's."""
    replaced_by: list[int] = []
    follows = follower(replaced_by)
    for name, epoch in signs:
        follows._take_in(Record(encode(kind(name, epoch, 5)), topic))
    assert [e for name, e in signs if name == "gateway-0" and e > 100] == replaced_by


def test_decisions_are_taken_in() -> None:
    """Beside the announcements."""
    replaced_by: list[int] = []
    follows = follower(replaced_by)
    follows._take_in(Record(encode(RecordingDecided("WT1", 1, "stop", "left", 1))))
    follows._take_in(Record(encode(GatewayAlive("gateway-0", 100, 77))))
    assert "WT1" in follows._decisions._latest
    assert {3: 77} == follows._decisions._read_up_to
    assert [] == replaced_by


def test_a_sign_of_life_on_its_own_topic_shows_nothing_about_decisions() -> None:
    """Its partition has the number of one of `stream.events`, of which nothing more was read."""
    follows = follower([])
    follows._take_in(Record(encode(GatewayAlive("gateway-0", 100, 77)), "gateways.alive"))
    assert {} == follows._decisions._read_up_to


def test_signs_of_life_are_read_on_a_few_partitions() -> None:
    """Decisions on all."""
    read: dict[str, list[int]] = {}
    for each in follower([])._partitions:
        read.setdefault(each.topic, []).append(each.partition)
    assert {"stream.events": list(range(24)), "gateways.alive": [0, 8, 16]} == read


@pytest.mark.parametrize("value", [b"", b"\0\0\0\0\0", b"rubbish"])
def test_what_is_no_record_is_passed_over(value: bytes) -> None:
    """It is not the gateway's to complain of."""
    follower([])._take_in(Record(value))
