"""`flexcapture rebuild tracker`: rebuild the tracker's table from the topics (`comparison.py`).

One partition at a time: its states are computed and compared with the table's changelog, and the
differences are written there. Each written record is valid by itself, so an interrupted run can
simply be repeated.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupIdNotFound, KafkaError, NoError, for_code

from cli.rebuild.comparison import (
    Folding,
    Published,
    Rebuilt,
    TableVerdict,
    compared,
    rebuilt,
    wanted_keys,
)
from pipeline.runtime.kafka import admin_client, ensure_topics, producer
from pipeline.runtime.log_clock import log_time
from pipeline.runtime.log_reader import Log, Progress, Span
from pipeline.runtime.settings import Role, Settings
from schemas.codec import encode
from schemas.topics import CALL_PARTITIONS, CALLS, CTI_EVENTS, CTI_RESOLVED, Topic, changelog

_EVENTS = (CTI_EVENTS, CTI_RESOLVED)
_TABLE = changelog(Role.TRACKER)

_COORDINATOR_S = 30.0
_MEMBERSHIP_S = 10.0
"""Longer than the session of a member that ended without leaving the group (`faust_runner`)."""


class RebuildRefused(RuntimeError):
    """The table must not be changed now. The text gives the reason and what to do."""


@dataclass(slots=True)
class CallsReport:
    """The result of a rebuild. The lists hold keys, each with an explanation."""

    same: int = 0
    behind: int = 0
    written: int = 0
    differences: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


async def rebuild_tracker(settings: Settings, *, check: bool, progress: Progress) -> CallsReport:
    """Rebuild the table, or with `check` only compare it with the correct states.

    Raise `RebuildRefused` while a tracker is running, or if a needed topic does not exist.
    """
    if not check:
        await ensure_topics(settings, [_TABLE, CTI_RESOLVED])
    log, writer = Log(settings, progress), producer(settings, source="rebuild")
    admin = admin_client(settings)
    try:
        for each in (log, writer, admin):
            await each.start()
        now = await log_time(settings)
        work = _Rebuilding(settings, log, None if check else writer, admin, now)
        return await work.all_partitions()
    finally:
        for end in (admin.close, writer.stop, log.stop):
            await end()


@dataclass(slots=True)
class _Rebuilding:
    settings: Settings
    log: Log
    writer: AIOKafkaProducer | None
    admin: AIOKafkaAdminClient
    now: int
    report: CallsReport = field(default_factory=CallsReport)
    spans: dict[str, list[Span]] = field(default_factory=dict)

    async def all_partitions(self) -> CallsReport:
        """Rebuild every partition, one after another."""
        present = set(await self.admin.list_topics())
        needed = {self.settings.prefixed(t.name) for t in (CTI_EVENTS, CALLS)}
        if missing := sorted(needed - present):
            raise RebuildRefused(f"there is no topic {missing[0]} in this Kafka")
        await self._no_tracker(patience_s=_MEMBERSHIP_S)
        for topic in (*_EVENTS, CALLS, _TABLE):
            if self.settings.prefixed(topic.name) in present:
                self.spans[topic.name] = await self.log.spans(topic)
        committed = await self.admin.list_consumer_group_offsets(self._group)
        offsets = {tp: each.offset for tp, each in committed.items()}
        for number in range(CALL_PARTITIONS):
            await self._partition(number, offsets)
        return self.report

    async def _partition(self, number: int, committed: Mapping[TopicPartition, int]) -> None:
        folding, ahead = await self._folded(number, committed)
        published = Published()
        async for record in self._all(CALLS, number):
            published.take(record.key, record.value, record.timestamp)
        table: dict[bytes, bytes] = {}
        async for record in self._all(_TABLE, number):
            if record.value is None:
                table.pop(record.key, None)
            else:
                table[record.key] = record.value
        await self._write(number, self._changes(folding, ahead, published, table))

    def _changes(
        self, folding: Folding, ahead: Folding, published: Published, table: Mapping[bytes, bytes]
    ) -> dict[bytes, bytes | None]:
        """Return the values to write, by key; None deletes the key."""
        changes: dict[bytes, bytes | None] = {}
        for key in wanted_keys(folding, published, table):
            name = key.decode(errors="replace")
            committed, version = folding.states.get(name), published.call(name)
            made = rebuilt(name, committed, ahead.states.get(name), version, self.now)
            value = None if made.state is None else encode(made.state)
            if value is None and key not in table:
                continue  # already forgotten
            self._note(name, made, compared(key, table.get(key), committed, made.state, self.now))
            if value != table.get(key):
                changes[key] = value
        return changes

    async def _folded(
        self, number: int, committed: Mapping[TopicPartition, int]
    ) -> tuple[Folding, Folding]:
        """Return the states after all committed events, and those after all events."""
        done, rest = [], []
        for topic in _EVENTS:
            for whole in self._spans(topic, number):
                limit = min(max(committed.get(whole.partition, 0), whole.start), whole.end)
                done.append(Span(whole.partition, whole.start, limit))
                rest.append(Span(whole.partition, limit, whole.end))
        folding = Folding(self.settings.voice_channels)
        await self._fold(folding, done)
        ahead = folding.ahead()
        await self._fold(ahead, rest)
        return folding, ahead

    async def _fold(self, folding: Folding, spans: list[Span]) -> None:
        async for record in in_log_order([self.log.read(each) for each in spans]):
            folding.take(record.key, record.value, record.timestamp)

    async def _all(self, topic: Topic, number: int) -> AsyncIterator[Any]:
        for whole in self._spans(topic, number):
            async for record in self.log.read(whole):
                yield record

    def _spans(self, topic: Topic, number: int) -> list[Span]:
        """Return the topic's partition, or nothing if the topic does not exist."""
        return self.spans.get(topic.name, [])[number : number + 1]

    def _note(self, key: str, made: Rebuilt, verdict: TableVerdict) -> None:
        if made.doubt is not None:
            self.report.doubts.append(f"{key}: {made.doubt}")
        match verdict:
            case TableVerdict.SAME:
                self.report.same += 1
            case TableVerdict.BEHIND:
                self.report.behind += 1
            case _:
                self.report.differences.append(f"{key}: {_IN_WORDS[verdict]}")

    async def _write(self, number: int, changes: Mapping[bytes, bytes | None]) -> None:
        if self.writer is None or not changes:
            return
        await self._no_tracker()
        topic = self.settings.prefixed(_TABLE.name)
        sent = [await self.writer.send(topic, value, key, number) for key, value in changes.items()]
        for each in sent:
            await each
        self.report.written += len(sent)

    @property
    def _group(self) -> str:
        return self.settings.prefixed(Role.TRACKER)

    async def _no_tracker(self, patience_s: float = 0.0) -> None:
        """Return once the tracker's group has no members.

        A member that has just ended counts until its session expires, so `patience_s` is waited. A
        broker that has just started gets time to load the group.
        """
        begun = time.monotonic()
        while (members := await self._members(begun + _COORDINATOR_S)) != []:
            if members and time.monotonic() >= begun + patience_s:
                raise RebuildRefused(
                    f"the tracker runs: group {self._group} has the member(s) "
                    f"{', '.join(members)}. Stop it first (`flexcapture up` runs one too)"
                )
            await asyncio.sleep(0.5)

    async def _members(self, deadline: float) -> list[str] | None:
        """Return the members of the tracker's group, or None while no coordinator knows them."""
        try:
            return await self._members_now()
        except KafkaError as error:
            if not error.retriable or time.monotonic() >= deadline:
                raise
            return None

    async def _members_now(self) -> list[str]:
        [response] = await self.admin.describe_consumer_groups([self._group])
        found = []
        for code, _group, _state, _kind, _protocol, members, *_ in response.groups:
            if code not in (NoError.errno, GroupIdNotFound.errno):
                raise for_code(code)
            found += [str(member[1]) for member in members]
        return sorted(found)


_IN_WORDS = {
    TableVerdict.MISSING: "is not in the table",
    TableVerdict.EXTRA: "is in the table but should not be",
    TableVerdict.OTHER: "has another value in the table",
}


async def in_log_order(sources: Sequence[AsyncIterator[Any]]) -> AsyncIterator[Any]:
    """Yield the records of several sources by log time. The order within each source is kept."""
    heads = {n: head async for n, head in _heads(sources)}
    while heads:
        first = min(heads, key=lambda n: (heads[n].timestamp, n))
        yield heads[first]
        following = await anext(sources[first], None)
        if following is None:
            del heads[first]
        else:
            heads[first] = following


async def _heads(sources: Sequence[AsyncIterator[Any]]) -> AsyncIterator[tuple[int, Any]]:
    for number, source in enumerate(sources):
        head = await anext(source, None)
        if head is not None:
            yield number, head
