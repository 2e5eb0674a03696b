"""Steps that wait for later ones of their key: fewer are carried out, and none is lost."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.faust_runner.coalescing import Gathering
from schemas.codec import decode, encode
from tests.agents.faust_runner.handling import Setting, cti, incoming, setting, tick
from tests.virtual_time import virtually

LONG = 3_600.0


def published(here: Setting) -> list[tuple[str, str]]:
    """Return the published records: keys and events."""
    sent = [(key, value) for topic, key, value in here.broker.sent if topic == "p.calls"]
    return [((key or b"").decode(), decode(value).event_id) for key, value in sent]


class Effects:
    """Effects outside Kafka, which fail while `failing` is set."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failing = False

    async def __call__(self, key: str, before: Any, step: Any) -> None:
        if self.failing:
            raise OSError("database")
        self.done.append(step.outputs[0].record.event_id)


async def test_the_last_of_a_key_stands_for_all() -> None:
    """Only the last record is published, carried out and stored; nothing before it."""
    effects = Effects()
    here = setting(effects=effects, gathering_s=LONG)
    for name in ("e1", "e2", "e3"):
        await here.handler.handle(incoming(cti(name)))
    await here.handler.handle(incoming(cti("e4"), "WT2"))
    assert ([], {}) == (here.broker.sent, here.table)
    await here.handler.settle()
    assert [("WT1", "e3"), ("WT2", "e4")] == published(here)
    assert ["e3", "e4"] == effects.done
    assert {b"WT1": encode(cti("e3")), b"WT2": encode(cti("e4"))} == here.table
    await here.handler.settle()
    assert 2 == len(published(here))


async def test_a_step_without_outputs_takes_nothing_back() -> None:
    """Waiting records are still published together with the newer state."""
    here = setting(gathering_s=LONG)
    await here.handler.handle(incoming(replace(cti("e1"), arrived_at=5)))
    await here.handler.handle(tick(20_000))  # changes the state, publishes nothing
    await here.handler.settle()
    assert [("WT1", "e1")] == published(here)
    assert "ticked" == decode(here.table[b"WT1"]).event_id


async def test_a_state_is_published_before_it_is_forgotten() -> None:
    """Immediately, and then the key is removed."""
    here = setting(gathering_s=LONG)
    await here.handler.handle(incoming(cti("e1")))
    await here.handler.handle(incoming(cti("forget")))
    assert ([("WT1", "e1")], {}) == (published(here), here.table)


async def test_a_large_one_waits_for_nothing() -> None:
    """A large step is written on its own: if Kafka refuses it, no other record is refused."""
    here = setting(gathering_s=LONG)
    await here.handler.handle(incoming(cti("e1")))
    await here.handler.handle(incoming(replace(cti("e2"), body="x" * 200_000)))
    assert [("WT1", "e1"), ("WT1", "e2")] == published(here)


async def test_what_fails_waits_on() -> None:
    """A failed step waits for the next flush; no offset is committed before it succeeds."""
    effects = Effects()
    here = setting(effects=effects, gathering_s=LONG)
    await here.handler.handle(incoming(cti("e1")))
    effects.failing = True
    with pytest.raises(OSError, match="database"):
        await here.handler.settle()
    effects.failing = False
    await here.handler.settle()
    assert ["e1"] == effects.done


async def test_what_was_lost_with_its_partition_is_left_to_its_owner() -> None:
    """After a recovery nothing from before it is carried out."""
    here = setting(gathering_s=LONG)
    await here.handler.handle(incoming(cti("e1")))
    here.handler.restore({})
    await here.handler.settle()
    assert [] == published(here)


def test_it_is_carried_out_in_time() -> None:
    """A waiting step is flushed after its time limit without a request; later work of the key does
    not delay it."""

    async def scenario() -> list[tuple[float, str]]:
        loop, done = asyncio.get_running_loop(), []

        async def carry_out(work: str) -> None:
            done.append((loop.time() - begun, work))

        begun, gathering = loop.time(), Gathering(1.0, carry_out)
        running = asyncio.create_task(gathering.run())
        for number in range(4):
            async with gathering.turn:
                gathering.take("k")
                gathering.put("k", str(number))
            await asyncio.sleep(0.4)
        await asyncio.sleep(5)
        running.cancel()
        return done

    assert [(1.0, "2"), (2.2, "3")] == [
        (pytest.approx(at), work) for at, work in virtually(scenario())
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_each_key_ends_where_it_would_without(records: list[tuple[str, bool]]) -> None:
    """However steps and settling alternate: the same table, and the same last word on each key."""

    async def scenario(gathering_s: float) -> tuple[Any, Any]:
        here = setting(gathering_s=gathering_s)
        for number, (key, settled) in enumerate(records):
            await here.handler.handle(incoming(cti(f"e{number}"), key))
            if settled:
                await here.handler.settle()
        await here.handler.settle()
        return here.table, dict(published(here))

    assert asyncio.run(scenario(0.0)) == asyncio.run(scenario(LONG))
