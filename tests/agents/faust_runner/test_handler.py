"""How a handler processes records, broadcasts and ticks, without Kafka."""

import math
from typing import Any

from agents.faust_runner.backlog import Backlog
from agents.faust_runner.core import Step
from schemas.codec import decode, encode
from schemas.records import CtiEvent, GatewayStarted
from tests.agents.faust_runner.handling import RULES_HOLD_MS, Setting, cti, incoming, setting, tick


async def test_each_step_is_observed_once_with_the_state_before_it() -> None:
    """Records, broadcasts and ticks, refused ones too; not a record that the core fails on."""
    seen: list[tuple[Any, ...]] = []

    def observe(key: str, before: Any, record: Any, step: Step[Any], now: int) -> None:
        refused = None if step.refused is None else step.refused.reason
        seen.append((key, before and before.event_id, type(record).__name__, refused, now))

    here = setting(observe=observe)
    for event in ("one", "bad", "late"):
        await here.handler.handle(incoming(cti(event)))
    await here.handler.handle(incoming(GatewayStarted("g1", 1, 5), key=None))
    await here.handler.handle(tick(2_000))
    assert [
        ("WT1", None, "CtiEvent", None, 1_000),
        ("WT1", "one", "CtiEvent", "too-late", 1_000),
        ("WT1", "one", "GatewayStarted", None, 1_000),
        ("WT1", "broadcast of g1", "NoneType", None, 2_000),
    ] == seen


async def test_a_key_that_the_table_does_not_have_is_recalled() -> None:
    """A missing key is recalled once; the record continues from the recalled state, and a tick may
    drop it again."""
    asked: list[str] = []

    async def recall(key: str) -> CtiEvent | None:
        asked.append(key)
        return cti("known") if key == "WT1" else None

    here = setting(recall=recall)
    await here.handler.handle(incoming(cti("late"), "WT1"))
    assert {} == here.table
    await here.handler.handle(tick(10_000))
    assert [("WT1", 10_000)] == here.core.ticked
    assert "ticked" == decode(here.table[b"WT1"]).event_id
    await here.handler.handle(incoming(cti(), "WT1"))
    await here.handler.handle(incoming(cti(), "WT2"))
    assert ["WT1", "WT2"] == asked


async def test_ticks_visit_only_keys_that_changed_or_are_due() -> None:
    """A call is kept for hours: asking all of them every second would cost more than the events.
    `now` is the tick's time."""
    here = setting()
    await here.handler.handle(incoming(cti(), "WT1"))
    await here.handler.handle(incoming(cti("quiet"), "WT2"))
    for at in (1_000, 2_000, 11_000, 12_000):
        await here.handler.handle(tick(at))
    assert [("WT1", 1_000), ("WT2", 1_000), ("WT1", 11_000)] == here.core.ticked
    assert ("ticked", 21_000) == _event(here, b"WT1")


async def test_a_change_is_followed_by_a_tick() -> None:
    """A change requests a tick regardless of earlier requests: a late record may change the time of
    the next one."""
    here = setting()
    await here.handler.handle(incoming(cti("quiet"), "WT2"))
    await here.handler.handle(tick(1_000))
    await here.handler.handle(incoming(cti("quiet", "WT9"), "WT2"))
    await here.handler.handle(tick(2_000))
    await here.handler.handle(tick(3_000))
    assert [("WT2", 1_000), ("WT2", 2_000)] == here.core.ticked


async def test_other_rules_concern_every_key() -> None:
    """A list that changes applies to running calls: at the first tick at which it holds."""
    here = setting()
    for key in ("WT1", "WT2"):
        await here.handler.handle(incoming(cti("quiet"), key))
    for at in (1_000, RULES_HOLD_MS - 1, RULES_HOLD_MS, RULES_HOLD_MS + 1_000):
        await here.handler.handle(tick(at))
    asked = [at for key, at in here.core.ticked if key == "WT2"]
    assert [1_000, RULES_HOLD_MS] == asked


async def test_a_tick_does_not_overtake_waiting_records() -> None:
    """Deadlines must not pass that a waiting record would meet: while records wait, a tick counts
    as one of the time up to which they were handled, and time never runs backwards."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    for settled in (0, 3_000, 3_000, 2_000, math.inf):
        here.settled[0] = settled
        await here.handler.handle(tick(20_000))
    assert [0, 3_000, 20_000] == [at for key, at in here.core.ticked if key == "WT1"]


async def test_a_record_without_key_is_for_every_key_of_its_partition_that_wants_broadcasts() -> (
    None
):
    """GatewayStarted applies to all calls of its partition except those that are finished."""
    here = setting()
    for key, name in {"WT1": "e1", "WT2": "e1", "WT3": "deaf"}.items():
        await here.handler.handle(incoming(cti(name), key))
    await here.handler.handle(incoming(GatewayStarted("gateway-0", 2, 1_000), None))
    states = {key: decode(value).event_id for key, value in here.table.items()}
    assert {
        b"WT1": "broadcast of gateway-0",
        b"WT2": "broadcast of gateway-0",
        b"WT3": "deaf",
    } == states


async def test_a_forgotten_key_leaves_table_and_ticks() -> None:
    """Tables stay bounded."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    await here.handler.handle(incoming(cti("forget")))
    await here.handler.handle(tick(9_000))
    assert ({}, []) == (here.table, here.core.ticked)


async def test_after_recovery_the_states_are_those_of_the_table() -> None:
    """The content of the memory before does not matter."""
    here = setting()
    await here.handler.handle(incoming(cti(), "WT-lost"))
    here.table.clear()
    here.table[b"WT9"] = encode(cti("kept", "WT9"))
    here.handler.restore({b"WT9": 3})
    await here.handler.handle(tick(9_000))
    assert [b"WT9"] == list(here.table)
    assert ("ticked", 19_000) == _event(here, b"WT9")


async def test_after_recovery_all_partitions_are_read_again() -> None:
    """Until no record is known to wait on a partition."""
    backlog = Backlog(lambda: 0.0)
    here = setting(backlog=backlog)
    seen = []
    for follows in (True, False, True):
        backlog.followed = lambda _topic, _partition, _offset, follows=follows: follows
        await here.handler.handle(incoming(cti()))
        seen.append(backlog.is_reread())
    here.handler.restore({})
    await here.handler.handle(incoming(cti()))
    assert [True, False, False, True] == [*seen, backlog.is_reread()]


def _event(here: Setting, key: bytes) -> tuple[str, int]:
    record = decode(here.table[key])
    return record.event_id, record.arrived_at


async def test_a_tick_counts_with_the_time_of_the_log() -> None:
    """A tick has the log's time. The clock of the tracker that wrote it may be an hour off."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    for at, tracker_at in ((20_000, 3_620_000), (21_000, 0), (22_000, 22_000)):
        await here.handler.handle(tick(at, tracker_at))
    assert ("WT1", 20_000) == here.core.ticked[0]
