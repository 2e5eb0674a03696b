"""`flexcapture derive` on the real Kafka: live roles handle calls, and are derived again."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka.errors import ProducerFenced

from cli.derive.beginning import DeriveRefused, DeriveRequest
from cli.derive.dropping import find
from cli.derive.policy import ChangedRules
from cli.derive.roles import chosen
from cli.derive.running import derive
from pipeline.runtime.kafka import admin_client, consumer, producer
from pipeline.runtime.settings import Role, Settings
from schemas.codec import encode
from schemas.topics import CALLS, CTI_EVENTS
from tests.conftest import SettingsFor
from tests.integration.derived import (
    ALL_ROLES,
    CALLS_PLAYED,
    CHANGED,
    compared,
    derived,
    is_outbound,
    live_calls,
    log_times,
    task,
    under,
    written,
)
from tests.integration.faust_roles import reading
from tests.pipeline.calls.histories import Story

pytestmark = pytest.mark.integration

KILLS = 5

_SLOW_PROCESS = """
import asyncio, sys
from aiokafka import AIOKafkaProducer
from cli.derive import running
from cli.main import main
running.PORTION = 10
commit = AIOKafkaProducer.commit_transaction
async def slowly(self):
    print("sent", flush=True)
    await asyncio.sleep(0.1)
    await commit(self)
    print("committed", flush=True)
    await asyncio.sleep(0.1)
AIOKafkaProducer.commit_transaction = slowly
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def live(settings_for: SettingsFor, prefix: str, tmp_path: Path) -> Settings:
    """Settings of a live pipeline that records ann's calls."""
    agents = tmp_path / "agents"
    agents.write_text("ann@example.com\n")
    return settings_for(prefix, monitored_agents=agents)


def environment(live: Settings) -> dict[str, str]:
    return {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": str(live.kafka_bootstrap_servers),
        "FLEXCAPTURE_TOPIC_PREFIX": live.topic_prefix,
        "FLEXCAPTURE_NO_ENV_FILE": "1",
        "PYTHONPATH": ".",
        "PATH": "/usr/bin:/bin",
    }


async def killed_after(live: Settings, arguments: Sequence[str], word: str, times: int) -> bool:
    """Run the command, and kill it when it has printed the word so often. Return whether it was
    killed before its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SLOW_PROCESS, *arguments,
        env=environment(live), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async for line in process.stdout:
        times -= line.decode().strip() == word
        if times == 0:
            process.send_signal(signal.SIGKILL)
            break
    return await process.wait() == -signal.SIGKILL


async def test_derived_is_live_also_after_five_kills(live: Settings) -> None:
    """The derived calls equal the live ones. With five SIGKILLs, in transactions and between them,
    each derived record is the same, once. With one rule changed, only calls that it concerns
    differ, in decisions and their consequences. A derived version of a call has the log time of
    its event."""
    await live_calls(live)
    report = await derived(live, "a")
    assert report.progress.finished
    assert () == report.failures
    found = await compared(live, "a")
    assert {} == found.different
    assert CALLS_PLAYED == found.same

    to = ["derive", "--to", f"{live.topic_prefix}b."]
    for number in range(KILLS):
        assert await killed_after(live, to, ("sent", "committed")[number % 2], 1 + number % 2)
    assert not await killed_after(live, to, "", 1)
    whole = await written(under(live, "a"))
    assert whole == await written(under(live, "b"))
    assert all(whole[name] for name in ("calls", "stream.events", "contacts", "cti.resolved"))

    assert {at for *_, at in whole[CALLS.name]} <= await log_times(live, CTI_EVENTS)

    rules = ChangedRules(record_outbound=False)
    await derived(live, "c", DeriveRequest(ALL_ROLES, rules=rules))
    changed = await compared(live, "c")
    monitored = [n for n in range(CALLS_PLAYED) if is_outbound(n) and n % 2]
    unmonitored = [n for n in range(CALLS_PLAYED) if is_outbound(n) and not n % 2]
    assert {task(n) for n in monitored} <= set(changed.different)
    assert set(changed.different) <= {task(n) for n in (*monitored, *unmonitored)}
    assert not [kind for kind in changed.kinds if kind.startswith("calls")]
    for differences in changed.different.values():
        for each in differences:
            about = each.kind.split(".")[1] if each.kind.startswith("contacts.") else "decisions"
            assert about in CHANGED


async def test_it_follows_and_is_dropped(live: Settings) -> None:
    """A finished derivation takes in the records that have come since; with other arguments it is
    refused. A prefix with a pipeline's topics is refused. `drop` deletes topics and groups of the
    prefix and nothing else, and ends a process that derives them."""
    await live_calls(live, 2)
    first = await derived(live, "a")
    again = await derived(live, "a")
    assert first.progress.written == again.progress.written
    with pytest.raises(DeriveRefused, match="--roles"):
        await derived(live, "a", DeriveRequest(chosen([Role.TRACKER])))
    with pytest.raises(DeriveRefused, match="not of a derivation"):
        await derive(live, live, DeriveRequest(ALL_ROLES), lambda *_: None, asyncio.Event())

    stop = asyncio.Event()
    following = asyncio.create_task(
        derive(live, under(live, "a"), DeriveRequest(ALL_ROLES, follow=True), lambda *_: None, stop)
    )
    async with reading(under(live, "a"), CALLS) as versions:
        await play_more(live)
        await versions.until(lambda seen: any(v.task_sid == task(99) for v in seen))
    stop.set()
    await following

    target = under(live, "a")
    status, printed = await command(live, "compare", target.topic_prefix, "--json")
    found_here = json.loads(printed)
    # No live tracker has seen the last task.
    assert (1, {task(99)}) == (status, {d["task_sid"] for d in found_here["differences"]})
    assert 1 == found_here["calls"]["different"]
    reader = consumer(target, target.prefixed(CALLS.name), group_id=target.prefixed("mine"))
    await reader.start()
    await reader.getmany(timeout_ms=2_000)
    await reader.commit()
    await reader.stop()
    found = await find(target)
    assert (target.prefixed("mine"),) == found.groups
    begun = asyncio.Event()
    follower = asyncio.create_task(
        derive(
            live, target, DeriveRequest(ALL_ROLES, follow=True), lambda *_: begun.set(),
            asyncio.Event(),
        )
    )  # fmt: skip
    await begun.wait()
    status, printed = await command(live, "drop", target.topic_prefix, "--yes")
    assert 0 == status
    with pytest.raises((DeriveRefused, ProducerFenced)):
        await follower
    assert {*found.topics, *found.groups} <= set(printed.splitlines())
    admin = admin_client(live)
    await admin.start()
    names = [name for name in await admin.list_topics() if name.startswith(live.topic_prefix)]
    groups = [group for group, *_ in await admin.list_consumer_groups()]
    await admin.close()
    assert [] == [name for name in names if name.startswith(target.topic_prefix)]
    assert live.prefixed(CALLS.name) in names
    assert target.prefixed("mine") not in groups
    assert live.prefixed(Role.TRACKER) in groups
    with pytest.raises(DeriveRefused, match="no derivation"):
        await find(target)


async def command(live: Settings, *arguments: str) -> tuple[int | None, str]:
    """Run `flexcapture derive`; return its exit status and its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.main", "derive", *arguments,
        env=environment(live), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


async def play_more(live: Settings) -> None:
    """Publish a task that is new."""
    now = time.time_ns() // 1_000_000
    [event] = Story(task_sid=task(99), t0=now).task("created", 0).events
    sender = producer(live)
    await sender.start()
    await sender.send_and_wait(live.prefixed(CTI_EVENTS.name), encode(event), task(99).encode())
    await sender.stop()
