"""Count the calls of each queue by the hour. docs/howto/add-a-role.md explains each part."""

import asyncio
from dataclasses import replace

from agents.faust_runner.core import Output, Step
from agents.faust_runner.role import RoleParts, RoleSpec
from agents.faust_runner.runner import run_table_role
from pipeline.calls.workers import value
from pipeline.runtime.log_clock import log_clock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import add_record
from schemas.fast_dataclass import dataclass
from schemas.records import Call
from schemas.topics import CALLS, Topic

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class QueueCount:
    """The calls that came to a queue in an hour, or one of them."""

    queue: str
    hour: int
    task_sids: tuple[str, ...]


LIST = {"type": "array", "items": "string"}
TYPES = {"queue": "string", "hour": "long", "task_sids": LIST}
FIELDS = [{"name": name, "type": kind} for name, kind in TYPES.items()]
add_record(QueueCount, 0x51430001, {"type": "record", "name": "QueueCount", "fields": FIELDS})

PARTS = Topic("queue.parts", "queue@hour", ("QueueCount",))
COUNTS = Topic("queue.counts", "queue@hour", ("QueueCount",))
SPEC = RoleSpec(name="queue-counter", sources=(CALLS, PARTS), targets=(PARTS, COUNTS))


class QueueCounterCore:
    """The state of `queue@hour` is its count. The state of a task SID is the call's part of it."""

    def on_record(
        self, key: str, state: QueueCount | None, record: Call | QueueCount, now: int
    ) -> Step[QueueCount]:
        """Send a call to its first queue, once; add a call to the count."""
        if isinstance(record, Call):
            queue = value(record.facts, "queue")
            if queue is None or state is not None:
                return Step(state)
            part = QueueCount(queue, now - now % HOUR_MS, (key,))
            return Step(part, (Output(PARTS, f"{queue}@{part.hour}", part),))
        known = () if state is None else state.task_sids
        count = replace(record, task_sids=tuple(sorted({*known, *record.task_sids})))
        return Step(state) if count == state else Step(count, (Output(COUNTS, key, count),))

    def on_tick(self, key: str, state: QueueCount, now: int) -> Step[QueueCount]:  # noqa: ARG002
        """Forget an hour when all its calls are over."""
        return Step(state if now < self.wakes_at(state) else None)

    def wakes_at(self, state: QueueCount) -> int:
        """Return when to forget the state (ms). No call lasts for more than 24 hours."""
        return state.hour + 48 * HOUR_MS


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the role until `stop` is set."""
    async with log_clock(settings, health) as clock:
        parts = RoleParts(core=QueueCounterCore())
        await run_table_role(settings, health, stop, SPEC, parts, clock=clock)
