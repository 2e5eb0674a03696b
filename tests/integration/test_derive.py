"""`flexcapture derive` on the real Kafka: live roles handle calls, and are derived again."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agents import consolidator, resolver, stream_manager, tracker
from cli.derive.beginning import DeriveRefused, DeriveRequest
from cli.derive.comparing import compare
from cli.derive.comparison import Comparison
from cli.derive.dropping import find
from cli.derive.policy import ChangedRules
from cli.derive.roles import ROLES, chosen, targets
from cli.derive.running import Report, derive
from pipeline.runtime.kafka import admin_client, consumer, ensure_topics, producer
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Role, Settings
from pipeline.store.database import migrate, open_database
from schemas.codec import encode
from schemas.records import Contact, CtiEvent
from schemas.topics import CALLS, CONTACTS, CTI_EVENTS, RECORDINGS, Topic
from tests.conftest import SettingsFor
from tests.integration.faust_roles import reading, role_running
from tests.pipeline.calls.histories import CUSTOMER, Story, leg_sid

pytestmark = pytest.mark.integration

ALL_ROLES = chosen(ROLES)
CALLS_PLAYED = 12
CHANGED = {"decisions", "gaps", "capture", "required", "required_ms", "captured_ms"}
"""The fields of a contact that may differ if only the decisions do."""
KILLS = 5
Written = dict[str, list[tuple[int, bytes, bytes, int]]]

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


def task(number: int) -> str:
    return f"WT{number:032x}"


def is_outbound(number: int) -> bool:
    return number % 3 == 0


def story(number: int, t0: int) -> list[CtiEvent]:
    """A call of ten seconds; the events of one leg name no task."""
    leg = leg_sid(f"c{number}")
    ways = {"direction": "inbound", "call_sid": leg, "from": CUSTOMER, "to": "+15559990000"}
    if is_outbound(number):
        ways = {"direction": "outbound", "outbound_to": CUSTOMER, "from": "+15559990000"}
    who = "ann" if number % 2 else "bob"
    written = Story(task_sid=task(number), attributes=ways, t0=t0 + 300 * number)
    written.task("created", 0).reservation("created", 600, who, f"{who}{number}")
    written.reservation("accepted", 1_500, who, f"{who}{number}")
    written.participant("join", 1_700, leg, ParticipantLabel="customer")
    written.call_status("answered", 2_000, leg, FriendlyName=None, CallStatus="in-progress")
    written.participant("hold", 3_000, leg, Hold="true")
    written.participant("unhold", 4_200, leg, Hold="false")
    written.reservation("wrapup", 9_000, who, f"{who}{number}")
    written.participant("leave", 9_200, leg)
    written.call_status("completed", 9_300, leg, FriendlyName=None, CallStatus="completed")
    written.task("completed", 10_000)
    return [replace(e, event_id=f"{number}:{e.event_id}") for e in written.events]


async def play(settings: Settings, count: int) -> None:
    """Publish the events of the calls, each at its time."""
    t0 = time.time_ns() // 1_000_000 + 200
    events = [event for number in range(count) for event in story(number, t0)]
    sender = producer(settings)
    await sender.start()
    try:
        for event in sorted(events, key=lambda e: e.arrived_at):
            await asyncio.sleep(max(0, event.arrived_at - time.time_ns() // 1_000_000) / 1000)
            key = (event.task_sid or event.call_sid or "").encode()
            await sender.send_and_wait(settings.prefixed(CTI_EVENTS.name), encode(event), key)
    finally:
        await sender.stop()


async def lived(settings: Settings, count: int = CALLS_PLAYED) -> None:
    """Let the live roles handle the calls to their ends."""
    await ensure_topics(settings, [CTI_EVENTS, RECORDINGS])
    engine = open_database(str(settings.database_url))
    migrate(engine)
    engine.dispose()
    ended: dict[str, Contact] = {}

    def are_over(contacts: Sequence[Contact]) -> bool:
        ended.update({c.task_sid: c for c in contacts if c.state == "ended"})
        return len(ended) == count

    async with AsyncExitStack() as roles, reading(settings, CONTACTS) as contacts:
        for role in (tracker, resolver, stream_manager, consolidator):
            await roles.enter_async_context(role_running(role.run, settings))
        await play(settings, count)
        await contacts.until(are_over)
        await asyncio.sleep(3)  # ticks, and the last versions


@pytest.fixture
def live(settings_for: SettingsFor, prefix: str, tmp_path: Path) -> Settings:
    """Settings of a live pipeline that records ann's calls."""
    agents = tmp_path / "agents"
    agents.write_text("ann@example.com\n")
    return settings_for(prefix, monitored_agents=agents)


def under(live: Settings, name: str) -> Settings:
    return live.model_copy(update={"topic_prefix": f"{live.topic_prefix}{name}."})


async def derived(live: Settings, name: str, asked: DeriveRequest | None = None) -> Report:
    wanted = asked or DeriveRequest(ALL_ROLES)
    nothing = asyncio.Event()
    return await derive(live, under(live, name), wanted, lambda *_: None, nothing)


async def compared(live: Settings, name: str) -> Comparison:
    return (await compare(live, under(live, name), lambda *_: None))[1]


async def written(settings: Settings) -> Written:
    """Return all that was derived under the settings' prefix, by topic."""
    found: Written = {}
    log = Log(settings, lambda *_: None)
    await log.start()
    try:
        for topic in targets(ALL_ROLES):
            records = [r async for r in log.read_all(await log.spans(topic))]
            assert {b"/flexcapture/derive"} >= {dict(r.headers)["ce_source"] for r in records}
            found[topic.name] = [(r.partition, r.key, r.value, r.timestamp) for r in records]
            found[topic.name].sort(key=lambda r: r[0])  # stable: each partition keeps its order
    finally:
        await log.stop()
    return found


async def log_times(settings: Settings, topic: Topic) -> set[int]:
    log = Log(settings, lambda *_: None)
    await log.start()
    try:
        return {r.timestamp async for r in log.read_all(await log.spans(topic))}
    finally:
        await log.stop()


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
    await lived(live)
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
    prefix and nothing else."""
    await lived(live, 2)
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
    status, printed = await command(live, "drop", target.topic_prefix, "--yes")
    assert 0 == status
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
