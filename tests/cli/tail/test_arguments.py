"""The arguments of `flexcapture tail`."""

from typing import Any

import pytest

from cli.main import main
from cli.parser import parser
from cli.tail.arguments import TailRequest, WrongUsage, asked_of
from schemas.topics import CALLS, CHANGELOGS, DEAD_LETTERS_RETRIED, MEDIA, PROVISIONED

EARLY, LATE = 1_769_860_800_000, 1_769_860_900_000


def asked(*arguments: str) -> TailRequest:
    """What these arguments ask for; the topics have the prefix `p.`."""
    return asked_of(parser().parse_args(["tail", *arguments]), "p.")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--follow"], {"follow": True, "only_new": True}),
        (["-f", "--from", "beginning"], {"follow": True}),
        (["-f", "--from", str(EARLY)], {"follow": True, "since": EARLY}),
        (["--from", "2026-01-31T12:00:00Z", "--until", str(LATE)], {"since": EARLY, "until": LATE}),
        (["--until", str(LATE), "--table"], {"until": LATE}),
    ],
)
def test_what_is_read(arguments: list[str], expected: dict[str, Any]) -> None:
    """By default everything that is kept; with --follow only new records, unless --from says
    otherwise."""
    assert TailRequest((CALLS,), **expected) == asked("calls", *arguments)


def test_topics_may_have_the_prefix_and_are_read_once() -> None:
    """Tools show names with the prefix, the documentation without."""
    assert (CALLS, MEDIA, CHANGELOGS[0]) == asked(
        "calls", "p.media", "p.calls", "tracker-table-changelog"
    ).topics


def test_another_topic_is_refused_with_the_names_of_all() -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(WrongUsage, match=r"no such topic: call, q\.medias") as raised:
        asked("call", "calls", "q.medias")
    assert all(topic.name in str(raised.value) for topic in PROVISIONED)


def test_topics_of_a_derivation_are_named_with_its_prefix() -> None:
    """Readers switch by prefix; the pipeline's own prefix does not come before it. The longest name
    of a topic that fits determines the type of the records."""
    found = asked("august.calls", "calls", "q.cti.dead-letters.retried", "august.calls")
    assert (CALLS,) == found.topics
    assert ["august.calls", "q.cti.dead-letters.retried"] == [each.name for each in found.derived]
    assert ("Call",) == found.derived[0].records
    assert DEAD_LETTERS_RETRIED.records == found.derived[1].records


def test_a_role_of_ones_own_brings_its_topics() -> None:
    """Their records can then be decoded. A module that is not a role is wrong usage."""
    (counts,) = asked("queue.counts", "--module", "examples.queue_counter").topics
    assert ("queue.counts", ("QueueCount",)) == (counts.name, counts.records)
    assert (CALLS,) == asked("calls", "--module", "examples.queue_counter").topics
    with pytest.raises(WrongUsage, match="is no role"):
        asked("calls", "--module", "json")


def test_an_empty_period_is_refused() -> None:
    """`--until` is exclusive."""
    with pytest.raises(WrongUsage, match="later"):
        asked("calls", "--from", str(EARLY), "--until", str(EARLY))


def test_wrong_usage_has_its_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """2, before Kafka is asked."""
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    assert 2 == main(["tail", "nonsense"])
    assert "cti.events" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--json", "--table"], ["--task-sid", "X"], ["--from", "noon"]])
def test_wrong_arguments(wrong: list[str]) -> None:
    """The parser refuses them."""
    with pytest.raises(SystemExit) as raised:
        parser().parse_args(["tail", "calls", *wrong])
    assert 2 == raised.value.code
