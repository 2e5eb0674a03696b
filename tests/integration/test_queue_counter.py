"""The example role on the real Kafka: calls in, counts out, killed and restarted."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from examples import queue_counter
from examples.queue_counter import COUNTS, QueueCount
from schemas.records import Call, Fact
from schemas.topics import CALLS
from tests.conftest import SettingsFor
from tests.integration.faust_roles import (
    OwnRoleProcess,
    processes,
    publish,
    reading,
    role_running,
)
from tests.integration.test_tracker import expected, story, task

pytestmark = pytest.mark.integration

QUEUES = ("sales", "support", "billing")


def versions(number: int) -> list[Call]:
    """Every version of a call in one of the queues."""
    queue = {"queue": Fact(QUEUES[number % len(QUEUES)], 1, 1, "e")}
    calls = expected(story(task(number)).events)
    return [replace(call, facts={**call.facts, **queue}) for call in calls]


def counted(seen: list[QueueCount]) -> dict[str, Counter[str]]:
    """The calls of each queue in the last version of each count, and how often each is counted."""
    counts: dict[str, Counter[str]] = {}
    for count in {(count.queue, count.hour): count for count in seen}.values():
        counts.setdefault(count.queue, Counter()).update(count.task_sids)
    return counts


def once(numbers: range) -> dict[str, Counter[str]]:
    """Each of these calls once, in its queue."""
    wanted: dict[str, Counter[str]] = {}
    for number in numbers:
        wanted.setdefault(QUEUES[number % len(QUEUES)], Counter())[task(number)] += 1
    return wanted


async def test_calls_in_counts_out(settings_for: SettingsFor, prefix: str) -> None:
    """Each call is counted once, for any number of versions."""
    settings = settings_for(prefix, instance="queue-counter-0")
    records = [(call.task_sid, call) for number in range(9) for call in versions(number)]
    async with reading(settings, COUNTS) as counts:
        await publish(settings, CALLS, records)
        async with role_running(queue_counter.run, settings):
            await counts.until(lambda seen: counted(seen) == once(range(9)))


async def test_killed_and_restarted_it_counts_no_call_twice(
    settings_for: SettingsFor, prefix: str
) -> None:
    """SIGKILL amid the calls. No version of a count names a call twice, and none forgets one."""
    settings = settings_for(prefix)
    process = OwnRoleProcess(settings, "examples.queue_counter", "queue-counter-0")
    batches = [range(start, start + 10) for start in range(0, 50, 10)]
    async with reading(settings, COUNTS) as counts, processes(process):
        for batch in batches:
            records = [(call.task_sid, call) for number in batch for call in versions(number)]
            before = len(await counts.look())
            await publish(settings, CALLS, records)
            await counts.until(lambda seen, n=before: len(seen) > n)  # type: ignore[misc]
            await process.kill()
            await process.start()
        # The last process may have nothing left to do. It must run before it is stopped.
        records = [(call.task_sid, call) for number in range(50, 52) for call in versions(number)]
        await publish(settings, CALLS, records)
        await counts.until(lambda seen: counted(seen) == once(range(52)), seconds=90)
        assert 0 == await process.stop()
    assert all(len(count.task_sids) == len(set(count.task_sids)) for count in counts.records)
    for _, each in itertools.groupby(sorted(counts.records, key=_place), key=_place):
        # A count that was published before a crash may come again, and those between, too.
        named = sorted((set(count.task_sids) for count in each), key=len)
        assert all(one <= other for one, other in itertools.pairwise(named))


def _place(count: QueueCount) -> tuple[str, int]:
    return count.queue, count.hour
