"""How a role's work grows with its processes: 1, 2 and 4 of them, over the same 24 partitions.

A role on Kafka gets a backlog that becomes readable once its processes share the partitions; it is
measured until the last record is handled. Gateways get a paced load, as much each. The table has
records per second of wall time and per CPU second of the role's processes. On a machine with few
cores the second one is the measure of growth: the processes compete with one another, with the
broker and with the load.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial

import uvloop
from aiokafka.errors import KafkaError

from benchmarks.backlog import delete_topics, hidden_backlog, publish_list, shares
from benchmarks.gateway import SETTLE_S, frames_of, frames_on_kafka, load_for, settings_for
from benchmarks.local import READY_S, BenchmarkFailed, Local, RunningPipeline, child, role
from benchmarks.meter import Meter
from benchmarks.rows import Row
from benchmarks.scaled_roles import ScaledRole, scaled_roles
from benchmarks.scaled_run import ScaledRun, markdown, middle
from infra.ports import chosen
from pipeline.runtime.settings import Role, Settings

PROCESSES = (1, 2, 4)
ROUNDS = 3
"""Rounds of all numbers of processes. The run with the median rate counts."""
SOCKETS, QUICK_SOCKETS = 100, 25
"""Of each gateway: a gateway's cost for a call depends on the number of its calls."""
PACED_S, QUICK_PACED_S = 15.0, 5.0
POLL_S = 0.5
"""Each poll costs every process some milliseconds of CPU."""
STEADY_S = 3.0
"""The partitions must be assigned alike for this long before a backlog is published."""
WORK_S = 400.0
RATIO = 0.9
"""Goal: the work for a CPU second, as a share of that with one process."""


def run(here: Local, quick: bool) -> list[Row]:
    """Measure each role with each number of processes. Print the whole table, also if a role
    fails."""
    runs: list[ScaledRun] = []
    try:
        with scaled_roles(here, quick) as roles:
            for each in roles:
                runs += _rounds(partial(_worked_off, here, each), quick)
        runs += _rounds(partial(_paced, here, quick=quick), quick)
    finally:
        print(f"\n{markdown(runs)}\n")
    return [row for each in runs for row in _rows(runs, each)]


def _rows(runs: list[ScaledRun], one: ScaledRun) -> Iterator[Row]:
    what = f"{one.role}, {one.processes} at once"
    if one.is_paced:
        yield Row(what, "frames lost", one.lost, most=0)
    if one.processes > 1:
        single = next(run for run in runs if run.role == one.role and run.processes == 1)
        yield Row(what, "records/s", one.rate, single.rate, "one process")
        yield Row(what, "records/CPU-s", one.per_cpu, single.per_cpu, "one process", ratio=RATIO)


def _rounds(measure: Callable[[str, int], ScaledRun], quick: bool) -> list[ScaledRun]:
    """Return a run for each number of processes: the middle one of the rounds. `measure` takes a
    name that no other run has, and the number of processes."""
    found: dict[int, list[ScaledRun]] = {number: [] for number in PROCESSES}
    for n in range(1 if quick else ROUNDS):
        for number in PROCESSES:
            one = measure(f"{number}-{n}.", number)
            print(f"  {one}", file=sys.stderr, flush=True)
            found[number].append(one)
    return [middle(runs) for runs in found.values()]


def _worked_off(here: Local, measured: ScaledRole, name: str, processes: int) -> ScaledRun:
    """Let processes of a role work off its backlog."""
    prefix = f"scaling-{measured.role}-{name}"
    found = uvloop.run(_until_done(here, measured, prefix, processes))
    measured.clean(prefix)
    _delete_topics(here, prefix)
    return found


async def _until_done(here: Local, measured: ScaledRole, prefix: str, processes: int) -> ScaledRun:
    settings = here.settings(prefix)
    if measured.needs_list:
        await publish_list(settings)
    async with hidden_backlog(settings, measured.topic, measured.records()) as backlog:
        with _processes(here, measured, prefix, processes) as running:
            for each in running:
                await asyncio.to_thread(each.wait_ready)
            partitions = await _shared(settings, measured, processes)
            meter = Meter(here.broker, running)
            await backlog.publish()

            def done() -> bool:
                return measured.progress(running, backlog.size) >= backlog.size

            what = f"handle {backlog.size:,} records"
            await asyncio.to_thread(running[0].wait, done, WORK_S, what, POLL_S)
            return meter.read(measured.role, measured.handled, partitions=partitions)


@contextmanager
def _processes(
    here: Local, measured: ScaledRole, prefix: str, processes: int
) -> Iterator[list[RunningPipeline]]:
    with ExitStack() as stack:
        settings = [measured.settings(prefix, number) for number in range(processes)]
        yield [stack.enter_context(role(here, measured.role, own)) for own in settings]


async def _shared(settings: Settings, measured: ScaledRole, processes: int) -> tuple[int, ...]:
    """Return the partitions of each process, once all are assigned and do not move any more."""
    deadline = time.monotonic() + READY_S
    before: tuple[int, ...] = ()
    while time.monotonic() < deadline:
        now = await shares(settings, measured.role, measured.topic)
        complete = len(now) == processes and sum(now) == measured.topic.partitions
        if complete and now == before:
            return now
        before = now
        await asyncio.sleep(STEADY_S)
    raise BenchmarkFailed(f"{measured.role}: the partitions were not shared: {before}")


def _paced(here: Local, name: str, gateways: int, *, quick: bool) -> ScaledRun:
    """Let gateways take a paced load, as much each."""
    prefix, seconds = f"scaling-gateway-{name}", QUICK_PACED_S if quick else PACED_S
    sockets = QUICK_SOCKETS if quick else SOCKETS
    names = [f"{prefix}{number}" for number in range(gateways)]
    ports = chosen(names, {}, [])
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                role(here, Role.GATEWAY, settings_for(here, prefix, ports[each], each))
            )
            for each in names
        ]
        for gateway in running:
            gateway.wait_ready()
        loads = [
            stack.enter_context(
                child(here, "load", load_for(ports[each], seconds, f"{n:04x}", sockets), {})
            )
            for n, each in enumerate(names)
        ]
        for load in loads:
            load.line()
        time.sleep(SETTLE_S)
        meter = Meter(here.broker, running, frames_of)
        time.sleep(seconds)
        found = meter.read(Role.GATEWAY, frames_of, is_paced=True)
        sent = sum(int(load.line()["frames"]) for load in loads)
    lost = sent - asyncio.run(frames_on_kafka(here, prefix))
    _delete_topics(here, prefix)
    return replace(found, lost=lost)


def _delete_topics(here: Local, prefix: str) -> None:
    with suppress(KafkaError):  # they would only take space
        asyncio.run(delete_topics(here.settings(prefix)))
