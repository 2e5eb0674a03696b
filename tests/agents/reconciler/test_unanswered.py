"""A comparison requests the participants of an outbound call that seems unanswered."""

from collections.abc import Mapping
from typing import Any

import pytest

from agents.reconciler import comparing
from agents.reconciler.comparing import PeriodComparison
from pipeline.reconciliation.comparison import KnownTask
from pipeline.reconciliation.participants import ConferenceParticipant
from pipeline.reconciliation.rows import ListedEvent
from pipeline.reconciliation.windows import TwilioPeriod
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import CtiEvent, EndedConference
from tests.pipeline.contacts.records import LEG, NOON, TASK
from tests.pipeline.reconciliation.records import CF, CONFERENCE, WR
from tests.pipeline.reconciliation.test_participants import AGENT, CALLED, NOW, listed, read

PERIOD = TwilioPeriod("test", NOON - 1_000, NOW)
KNOWN = KnownTask(frozenset({WR}), is_over=True, capture="not-required", is_unanswered=True)


class Lists:
    """Twilio's lists of one outbound call. `there`: the participants of its conference."""

    def __init__(self, there: list[ConferenceParticipant]) -> None:
        self.there = tuple(there)
        self.asked = 0

    async def accepted(self, _: TwilioPeriod) -> list[ListedEvent]:
        return [listed("reservation.accepted", 2_000, 3)]

    async def unanswered_ends(self, _: TwilioPeriod) -> list[ListedEvent]:
        return []

    async def task_events(self, *_: object) -> list[ListedEvent]:
        return [listed("task.created", 0, 1), listed("reservation.wrapup", 32_100, 4)]

    async def conferences(self, _: TwilioPeriod) -> list[tuple[str, EndedConference]]:
        return [(TASK, CONFERENCE)]

    async def participants(self, conference_sid: str) -> tuple[ConferenceParticipant, ...]:
        assert CF == conference_sid
        self.asked += 1
        return self.there

    async def child_calls(self, _: str) -> tuple[str, ...]:
        return ()

    async def recordings(self, *_: object) -> tuple[object, ...]:
        return ()


class Producer:
    """Keeps the written records: added events and evidence."""

    def __init__(self) -> None:
        self.events: list[CtiEvent] = []
        self.is_examined = False

    async def send_and_wait(self, _topic: str, value: bytes, *_: object, **__: object) -> None:
        record = decode(value)
        if isinstance(record, CtiEvent):
            self.events.append(record)
        else:
            self.is_examined = record.is_examined


async def compared(
    monkeypatch: pytest.MonkeyPatch, lists: Lists, known: Mapping[str, KnownTask], now: int = NOW
) -> Producer:
    """Compare the period at `now`, and return the written records."""

    async def known_tasks(*_: object) -> Mapping[str, KnownTask]:
        return known

    monkeypatch.setattr(comparing, "known_tasks", known_tasks)
    producer: Any = Producer()
    double: Any = lists
    await PeriodComparison(Settings(), double, producer, lambda: now).compare(PERIOD)
    written: Producer = producer
    return written


@pytest.mark.parametrize("known", [{}, {TASK: KNOWN}], ids=["no events", "all but the answer"])
async def test_the_answer_of_an_outbound_call_is_added(
    monkeypatch: pytest.MonkeyPatch, known: Mapping[str, KnownTask]
) -> None:
    """Whether its events came or not: no event but those of its participants shows the answer."""
    lists = Lists(read(AGENT, CALLED))
    written = await compared(monkeypatch, lists, known)
    ids = [event.event_id for event in written.events]
    assert f"{CF}-{LEG}-participant-join" in ids
    assert len(ids) == len({*ids})
    assert (1, True) == (lists.asked, written.is_examined)


async def test_a_call_that_only_rang_gets_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent was alone in the conference."""
    lists = Lists(read(AGENT))
    written = await compared(monkeypatch, lists, {TASK: KNOWN})
    assert ([], 1) == (written.events, lists.asked)


async def test_a_call_that_seems_unanswered_is_examined_again_for_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twilio may list the participants late. Until then the next comparison asks again."""
    for there in ([], [AGENT]):
        for minutes, is_over in ((20, False), (59, False), (61, True)):
            now = NOON + 32_000 + minutes * 60_000
            written = await compared(monkeypatch, Lists(read(*there)), {TASK: KNOWN}, now)
            assert is_over == written.is_examined
