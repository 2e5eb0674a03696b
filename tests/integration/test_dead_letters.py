"""`flexcapture dead-letters` on the real Kafka."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bridge.topic_limits import topic_limits
from cli.dead_letters.letter import LetterFilter
from cli.dead_letters.reader import read_letters
from cli.dead_letters.retrying import LetterRetry, retry_of
from cli.dead_letters.writer import RetryWriter
from cli.main import main
from pipeline.dead_letters import dead_letter
from pipeline.kinesis.messages import KinesisRecord, messages_of
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.settings import Settings
from schemas import topics
from schemas.codec import decode, encode
from schemas.records import CtiEvent
from tests.bridge.outside import event, read_all
from tests.conftest import SettingsFor

pytestmark = pytest.mark.integration

GOOD, BAD = event(1, "a"), b"\xff not json"
CALL = CtiEvent("EV7", "s", "t", 1, 2, "WT1", None, "{}", "k", "shard", "1")


async def bury(settings: Settings) -> None:
    """Four dead letters: of the bridge, one that can be read today and one that cannot; of the
    tracker, one that it may understand today, and one that came too late."""
    await ensure_topics(settings, [topics.CTI_EVENTS, topics.DEAD_LETTERS])
    place, limits = Place("flex-events", 1, "shardId-0"), await topic_limits(settings)
    (bad,) = messages_of(place, KinesisRecord("8", 1_234, BAD), limits, 2_000)
    letters = [(bad.value, bad.headers), _letter("not-json", "flexcapture-bridge", GOOD)]
    letters += [
        _letter(reason, "flexcapture-tracker", encode(CALL), settings.prefixed("cti.events"), "5")
        for reason in ("core-failed", "too-late")
    ]
    async with producer(settings) as sender:
        for value, headers in letters:
            topic = settings.prefixed(topics.DEAD_LETTERS.name)
            await sender.send_and_wait(topic, value, b"WT1", partition=3, headers=headers)


def _letter(
    reason: str, role: str, original: bytes, origin: str = "flex-events", part: str = "shardId-0"
) -> Any:
    return dead_letter(
        reason=reason, detail="why", role=role, origin=origin, part=part,
        position="9", at=1_000, key=b"WT1", original=original,
    )  # fmt: skip


@pytest.fixture
def settings(
    settings_for: SettingsFor, prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Settings:
    """Settings with the four dead letters in their Kafka; the commands find it too."""
    found = settings_for(prefix)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", found.kafka_bootstrap_servers or "")
    monkeypatch.setenv("FLEXCAPTURE_TOPIC_PREFIX", prefix)
    asyncio.run(bury(found))
    return found


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Any]:
    """What `list --json` gives."""
    assert 0 == main(["dead-letters", "list", "--json", *arguments])
    found: list[Any] = json.loads(capsys.readouterr().out)
    return found


def events(settings: Settings) -> list[tuple[int, CtiEvent]]:
    """Return the events on cti.events, with their partitions."""
    records = asyncio.run(read_all(settings, topics.CTI_EVENTS))
    return [(record.partition, decode(record.value)) for record in records]


def test_list_and_show(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The list has every letter, oldest first, filtered and limited as asked; `show` has the bytes.
    A letter that is not there is status 1."""
    assert settings.topic_prefix
    assert ["3-0", "3-1", "3-2", "3-3"] == [each["id"] for each in listed(capsys)]
    assert ["3-2"] == [each["id"] for each in listed(capsys, "--reason", "core-failed")]
    assert ["3-3"] == [each["id"] for each in listed(capsys, "--limit", "1")]
    assert [] == listed(capsys, "--since", "2099-01-01T00:00:00Z")
    assert 0 == main(["dead-letters", "list"])
    assert 4 == len(capsys.readouterr().out.splitlines())
    assert 0 == main(["dead-letters", "show", "3-1"])
    assert GOOD.decode() in capsys.readouterr().out
    assert 1 == main(["dead-letters", "show", "3-9"])
    assert "3-9" in capsys.readouterr().err


def test_retry_puts_back_once(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """A record that is readable now is put back once. One that is still unreadable stays and is
    reported, with status 1. One that would fail again is put back only on request."""
    assert 1 == main(["dead-letters", "retry", "--dry-run"])
    assert [] == events(settings)
    assert 1 == main(["dead-letters", "retry"])
    output = capsys.readouterr()
    assert "3-0  still bad: not-json" in output.out
    assert "too-late" in output.err
    written = events(settings)
    assert {"EV1", "EV7"} == {each.event_id for _, each in written}
    assert (5, CALL) in written
    marks = [each["retried"] and each["retried"]["outcome"] for each in listed(capsys)]
    assert [None, "put-back", "put-back", None] == marks
    assert 1 == main(["dead-letters", "retry"])  # the bad one is tried and reported each time
    assert 2 == len(events(settings))
    assert 0 == main(["dead-letters", "retry", "3-2"])
    assert 2 == len(events(settings))
    assert 0 == main(["dead-letters", "retry", "--again", "3-2"])
    assert 0 == main(["dead-letters", "retry", "--reason", "too-late"])
    assert 4 == len(events(settings))


async def _die_before_the_commit(settings: Settings) -> None:
    """A retry that is killed with its transaction open."""
    await ensure_topics(settings, [topics.DEAD_LETTERS_RETRIED])
    (letter,) = LetterFilter(ids=[(3, 1)]).of(await read_letters(settings))
    plan = retry_of(letter, settings.topic_prefix, await topic_limits(settings), 1)
    assert isinstance(plan, LetterRetry)
    writer = RetryWriter(settings)
    await writer.start()
    await writer._producer.begin_transaction()
    await (await writer._put(plan.puts[0]))
    await (await writer._mark(letter, plan, 1))
    sender = writer._producer._sender.sender_task
    assert sender is not None
    sender.cancel()
    await asyncio.wait([sender])
    await writer._producer.client.close()
    writer._producer._closed = True


def test_a_killed_retry_leaves_nothing_half_done(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next retry aborts the transaction of the killed one, and puts each record back once."""
    asyncio.run(_die_before_the_commit(settings))
    assert 0 == main(["dead-letters", "retry", "3-1"])
    assert "put back: 1 on cti.events" in capsys.readouterr().out
    assert ["EV1"] == [each.event_id for _, each in events(settings)]
