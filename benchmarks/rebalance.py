"""How late a stop can be while a process of a role joins its group, leaves, dies or hangs.

The roles on a call's way run as processes: tracker, stream manager, twilio-adapter and gateway.
Events are written on `cti.events` as the bridge writes them. In each call the only monitored agent
leaves while the call continues. The time counts from that event to the Stop Stream request at the
simulated Twilio. The baseline are the stops of the same run while nothing changes. `BENCH_ROLE`
sets the role: tracker, stream-manager (default) or twilio-adapter.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random

import uvloop

from benchmarks.lateness import Lateness, Span, by_change, markdown
from benchmarks.local import BenchmarkFailed, Local, RunningPipeline, role
from benchmarks.members import Members
from benchmarks.rows import Row
from benchmarks.stopped_calls import NotingWorld, StoppedCalls, silent_media_stream
from cli.messages import root_cause
from infra.ports import chosen
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.settings import Role
from schemas.topics import CTI_EVENTS
from simulator.events import Account
from simulator.media import Credentials, clock
from simulator.people import MONITORED_LIST
from simulator.script import Sids
from simulator.twilio_rest import Faults, TwilioRest

NO_CHANGE = "(nothing changes)"
JOINS = "joins"
RESTARTS = "is killed and started again at once"
LEAVES = "leaves (SIGTERM)"
DIES = "dies (SIGKILL)"
HANGS = "hangs (SIGSTOP, later SIGCONT)"
ROLES = (Role.TRACKER, Role.STREAM_MANAGER, Role.TWILIO_ADAPTER)
"""The roles of which a process can be changed: the groups between an event and its stop."""
STEADY_PROCESSES = 2
"""Of the changed role, besides the one that comes and goes."""
SETTLE_S = 12.0
"""After the processes were put in order again: longer than a session (8 s)."""
WARM_UP_S = 5.0
APART_S = 2.0
"""Between a time without a change and the next change: a stop that is due just before a change may
be delayed by it, and counts to neither."""
PATIENCE_S = 30.0
"""How long to wait for the last stops."""
_PREFIX = "rebalance."


@dataclass(frozen=True, slots=True)
class Plan:
    """The course of a run: how often every change is made, and for how long (s) stops count to a
    change, and to none. `hangs_s`: how long a process hangs, which must be longer than its
    session; `rate`: calls a second; `streamed_s`: from the answer to the stop."""

    rounds: int = 3
    change_s: float = 20.0
    quiet_s: float = 15.0
    hangs_s: float = 20.0
    rate: float = 4.0
    streamed_s: float = 40.0


QUICK = Plan(rounds=1, change_s=15.0, quiet_s=8.0, hangs_s=12.0, rate=2.0, streamed_s=20.0)


def run(here: Local, quick: bool) -> list[Row]:
    """Measure the lateness of stops for each change. Also print the whole table."""
    changed = Role(os.environ.get("BENCH_ROLE", Role.STREAM_MANAGER))
    if changed not in ROLES:
        raise BenchmarkFailed(f"BENCH_ROLE must be one of {', '.join(ROLES)}")
    try:
        found = uvloop.run(_measured(here, QUICK if quick else Plan(), changed))
    except ExceptionGroup as group:
        raise root_cause(group) from group
    print(f"\nA process of {changed}:\n\n{markdown(found)}\n")
    baseline = next(each for each in found if each.change == NO_CHANGE)
    return [row for each in found if each is not baseline for row in _rows(changed, each, baseline)]


def _rows(changed: Role, one: Lateness, baseline: Lateness) -> list[Row]:
    what, name = f"stop, a {changed} {one.change}", "nothing changes"
    return [
        Row(f"{what}, p50", "ms", one.at(50), baseline.at(50), name),
        Row(f"{what}, latest", "ms", one.latest, baseline.latest, name),
        Row(f"{what}, never requested", "stops", one.never, most=0),
    ]


async def _measured(here: Local, plan: Plan, changed: Role) -> list[Lateness]:
    sids, world = Sids(Random(1)), NotingWorld(Sids(Random(2)))
    credentials = Credentials(sids.new("AC"), "a token for the benchmark")
    account = Account(credentials.account_sid, sids.new("WS"))
    settings = here.settings(_PREFIX)
    await ensure_topics(settings, [CTI_EVENTS])
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(
            TwilioRest(world, credentials, Faults(), send=silent_media_stream)
        )
        plain = _settings(here, rest, credentials)
        running = [
            stack.enter_context(role(here, name, plain | {"INSTANCE": f"{name}-{number}"}))
            for name in (Role.GATEWAY, *ROLES)
            for number in range(STEADY_PROCESSES if name is changed else 1)
        ]
        for each in running:
            await asyncio.to_thread(each.wait_ready)
        sender = producer(settings, linger_ms=0)
        await sender.start()
        stack.push_async_callback(sender.stop)
        members = Members(here, changed, plain)
        stack.push_async_callback(members.end)
        calls = StoppedCalls(
            world, account, settings, sender, rate=plan.rate, streamed_s=plan.streamed_s
        )
        try:
            async with asyncio.TaskGroup() as group:
                playing = group.create_task(calls.play())
                found = await Course(plan, members, running, calls).run()
                playing.cancel()
        finally:
            await calls.end()
        return found


def _settings(here: Local, rest: TwilioRest, credentials: Credentials) -> dict[str, str]:
    list_file = here.directory / "monitored-agents.txt"
    list_file.write_text(MONITORED_LIST)
    port = chosen(["gateway"], {}, [])["gateway"]
    return here.plain(
        _PREFIX,
        state_dir=here.directory / "rebalance",
        monitored_agents=list_file,
        twilio_account_sid=credentials.account_sid,
        twilio_auth_token=credentials.auth_token,
        twilio_api_url=rest.url,
        gateway_listen=f"127.0.0.1:{port}",
        gateway_public_url=f"ws://127.0.0.1:{port}/media",
        gateway_check_seconds=0,
        gateway_drain_seconds=0,
    )


@dataclass(slots=True)
class Course:
    """The course of the changes. `running`: the processes that must live to the end."""

    plan: Plan
    members: Members
    running: list[RunningPipeline]
    calls: StoppedCalls
    spans: list[Span] = field(default_factory=list)

    async def run(self) -> list[Lateness]:
        """Make all changes. Return the lateness for each."""
        await asyncio.sleep(self.plan.streamed_s + WARM_UP_S)
        await self._quiet()
        for number in range(self.plan.rounds):
            print(f"  round {number + 1} of {self.plan.rounds}", file=sys.stderr, flush=True)
            await self._round()
        await self._last_stops()
        if self.calls.not_started:
            print(f"  {self.calls.not_started} began too late to be stopped", file=sys.stderr)
        return list(by_change(self.spans, self.calls.stops()).values())

    async def _round(self) -> None:
        members = self.members
        await self._change(JOINS, members.join)
        await self._change(RESTARTS, members.restart)
        await self._change(LEAVES, lambda: members.send(signal.SIGTERM))
        await self._change(JOINS, members.join)
        await self._change(DIES, lambda: members.send(signal.SIGKILL))
        await self._change(JOINS, members.join)
        await self._change(HANGS, lambda: members.hang(self.plan.hangs_s))

    async def _change(self, name: str, act: Callable[[], Awaitable[None]]) -> None:
        began_at = clock()
        await act()
        await asyncio.sleep(self.plan.change_s)
        self._note(name, began_at)
        if name in (LEAVES, DIES, HANGS):
            await self._without_member()
        await self._quiet()

    async def _without_member(self) -> None:
        """Return once the process that comes and goes has ended, and its partitions have moved."""
        had_ended = self.members.has_ended()
        await self.members.end()
        if not had_ended:
            await asyncio.sleep(SETTLE_S)

    async def _quiet(self) -> None:
        began_at = clock()
        await asyncio.sleep(self.plan.quiet_s)
        self._note(NO_CHANGE, began_at)
        await asyncio.sleep(APART_S)

    def _note(self, name: str, began_at: int) -> None:
        self.spans.append(Span(name, began_at, clock()))
        [found] = by_change(self.spans[-1:], self.calls.stops()).values()
        text = f"{len(found.waits)} stops, p50 {found.at(50):,.0f} ms, latest {found.latest:,.0f}"
        print(f"  {name}: {text} ms", file=sys.stderr, flush=True)
        if any(each.has_ended() for each in self.running):
            raise BenchmarkFailed("a process ended that was not changed")

    async def _last_stops(self) -> None:
        deadline = clock() + PATIENCE_S * 1_000
        while clock() < deadline:
            found = by_change(self.spans, self.calls.stops()).values()
            if not any(each.never for each in found):
                return
            await asyncio.sleep(1.0)
