"""Records, outputs and states that cannot be handled, or that Kafka refuses, as dead letters."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from schemas.codec import decode, encode
from tests.agents.faust_runner.handling import Broker, Setting, cti, incoming, setting


@pytest.mark.parametrize(
    ("record", "key", "reason"),
    [
        (b"rubbish", "WT1", "undecodable"),
        (b"", "WT1", "undecodable"),
        (cti("bad"), "WT1", "core-failed"),
    ],
)
async def test_what_cannot_be_handled_goes_to_the_dead_letters(
    record: Any, key: str, reason: str
) -> None:
    """A record that cannot be handled becomes a dead letter, and processing continues."""
    here = setting()
    await here.handler.handle(incoming(record, key))
    [(topic, letter_key, value)] = here.broker.sent
    letter = decode(value)
    assert ("p.cti.dead-letters", b"WT1", reason) == (topic, letter_key, letter.reason)
    assert ("p.cti.events", "3", "7") == (letter.origin, letter.part, letter.position)
    assert {} == here.table


async def test_what_the_core_refuses_goes_to_the_dead_letters() -> None:
    """With the core's reason, once the broker has it, and the state as the step says: here, as it
    was."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    kept = dict(here.table)
    await here.handler.handle(incoming(cti("late")))
    [_, (topic, key, value)] = here.broker.sent
    letter = decode(value)
    assert ("p.cti.dead-letters", b"WT1") == (topic, key)
    assert ("too-late", "four hours") == (letter.reason, letter.detail)
    assert encode(cti("late")) == letter.original
    assert kept == here.table


async def test_an_output_that_does_not_fit_is_a_dead_letter_and_changes_nothing() -> None:
    """The state is as if the record had not come."""
    here = setting(Broker(too_large=frozenset({"p.calls"})))
    await here.handler.handle(incoming(cti()))
    assert ["p.cti.dead-letters"] == here.broker.topics()
    assert {} == here.table


async def carried_out(here: Setting) -> None:
    """Returns once the outbox has done all that was handled."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(here.outbox.run())
        await here.outbox.drained({0, 3})
        running.cancel()


def letters(here: Setting) -> list[str]:
    found = [decode(value) for topic, _, value in here.broker.sent if "dead" in topic]
    return [letter.reason for letter in found]


async def test_an_output_that_the_broker_refuses_is_a_dead_letter_and_the_queue_continues() -> None:
    """The broker's refusal comes later: the state is written, and the next records are handled."""
    here = setting(Broker(refused=frozenset({"p.calls"})))
    await here.handler.handle(incoming(cti()))
    await here.handler.handle(incoming(cti("e2", "WT2"), key="WT2"))
    await carried_out(here)

    assert ["too-large", "too-large"] == letters(here)
    assert 2 == here.broker.topics().count("changelog")


async def test_a_record_that_was_refused_with_others_is_sent_alone() -> None:
    """The broker refuses a whole request: that one of its records is too large says nothing of the
    others."""
    here = setting(Broker(refused_together=frozenset({"p.calls", "changelog"})))
    await here.handler.handle(incoming(cti()))
    await carried_out(here)

    assert [] == letters(here)
    assert ["p.calls", "p.calls", "changelog", "changelog"] == here.broker.topics()


@pytest.mark.parametrize("when", ["at once", "by the broker"])
async def test_a_state_that_kafka_refuses_is_a_dead_letter_and_the_queue_continues(
    when: str,
) -> None:
    """The outputs are published, and later records of the call continue from the state in
    memory."""
    topics = frozenset({"changelog"})
    here = setting(Broker(too_large=topics) if when == "at once" else Broker(refused=topics))
    await here.handler.handle(incoming(cti()))
    await here.handler.handle(incoming(cti("e2")))
    await carried_out(here)

    assert ["state-too-large"] == letters(here)
    assert {b"WT1": encode(cti("e2"))} == here.table


async def test_a_dead_letter_that_kafka_refuses_is_cut_and_at_last_given_up() -> None:
    """Nothing holds the line up."""
    here = setting(Broker(too_large=frozenset({"p.calls"})))
    alone = here.broker.send_alone

    async def small(topic: str, value: bytes | None, *rest: Any, **more: Any) -> None:
        if len(value or b"") > 20_000:
            raise MessageSizeTooLargeError
        await alone(topic, value, *rest, **more)

    here.broker.send_alone = small  # type: ignore[method-assign]
    await here.handler.handle(incoming(replace(cti(), body="x" * 50_000)))
    [(_, _, value)] = here.broker.sent
    letter = decode(value)
    assert ("too-large", 10_000) == (letter.reason, len(letter.original))
    assert "was cut" in letter.detail

    here.broker.too_large |= {"p.cti.dead-letters"}
    here.broker.send_alone = alone  # type: ignore[method-assign]
    await here.handler.handle(incoming(cti()))
    assert 1 == len(here.broker.sent)
