"""Compare one period with Twilio's records, and write the missing events and the findings."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaProducer

from agents.reconciler.known_tasks import ended_calls, known_tasks
from agents.reconciler.metrics import ADDED_EVENTS, TASKS
from agents.reconciler.twilio_lists import TwilioLists
from pipeline.reconciliation import added_events
from pipeline.reconciliation.comparison import (
    NOTHING,
    KnownTask,
    ListedTask,
    listed_tasks,
    needs_of,
)
from pipeline.reconciliation.evidence import is_news, merged
from pipeline.reconciliation.participants import (
    ConferenceParticipant,
    is_unanswered,
    joined_events,
    with_participants,
)
from pipeline.reconciliation.rows import ListedEvent, accepted_reservation
from pipeline.reconciliation.windows import HOUR_MS, TwilioPeriod
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import (
    AcceptedReservation,
    CtiEvent,
    EndedConference,
    ReconciliationEvidence,
    TwilioRecording,
)
from schemas.topics import CTI_EVENTS, RECONCILIATION_EVIDENCE, Topic

log = structlog.get_logger(__name__)

Participants = Mapping[str, tuple[ConferenceParticipant, ...]]
"""By conference SID."""

TASKS_AT_ONCE = 8
INSIGHTS_MS = HOUR_MS
"""How long (ms) after a conference's end its participants may still be missing from the list."""
ADDED_HEADER = "flexcapture.added"


@dataclass(frozen=True, slots=True)
class ComparedTask:
    """A task that was compared. `evidence`: all known evidence, including that of this comparison;
    `added`: the number of events that this comparison added."""

    evidence: ReconciliationEvidence
    added: int


class PeriodComparison:
    """Compares periods. `now`: the log's clock (ms)."""

    def __init__(
        self,
        settings: Settings,
        lists: TwilioLists,
        producer: AIOKafkaProducer,
        now: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._lists = lists
        self._producer = producer
        self._now = now

    async def compare(self, period: TwilioPeriod) -> list[ComparedTask]:
        """Compare a period. Raise `TwilioError` and Kafka's errors: the period must then be
        compared again, which does not repeat records that were already written."""
        every = await self._lists.accepted(period)
        listed = [e for e in every if self._is_voice(e)]
        ends = [e for e in await self._lists.unanswered_ends(period) if self._is_voice(e)]
        tasks = listed_tasks(
            _reservations(listed),
            await self._lists.conferences(period),
            [(e.task_sid, e.at) for e in ends],
        )
        accepted = {event.task_sid for event in listed}
        for event in every:
            if event.task_sid not in accepted:
                tasks.pop(event.task_sid, None)  # not voice: its conference is not a call
        chosen = [t for t in tasks.values() if t.task_sid in accepted or _ended_in(t, period)]
        known = await known_tasks(self._settings, [t.task_sid for t in chosen], period.begins_at)
        ended = await self._ended(chosen, known, period)
        chosen = [t for t in chosen if t.task_sid not in ended]
        events: dict[str, list[ListedEvent]] = {}
        for event in (*listed, *ends):
            events.setdefault(event.task_sid, []).append(event)
        compared: list[ComparedTask] = []
        for start in range(0, len(chosen), TASKS_AT_ONCE):
            work = (
                self._task(
                    task,
                    known.get(task.task_sid, NOTHING),
                    events.get(task.task_sid, ()),
                    period,
                )
                for task in chosen[start : start + TASKS_AT_ONCE]
            )
            compared += await asyncio.gather(*work)
        TASKS.inc(len(compared))
        return compared

    async def _ended(
        self, tasks: Iterable[ListedTask], known: Mapping[str, KnownTask], period: TwilioPeriod
    ) -> frozenset[str]:
        """Return the tasks that no agent took if their end is known: nothing is missing."""
        quiet = [t.task_sid for t in tasks if not t.reservations and not t.conferences]
        over = {sid for sid in quiet if known.get(sid, NOTHING).is_over}
        others = [sid for sid in quiet if sid not in over]
        return await ended_calls(self._settings, others, period.begins_at) | over

    def _is_voice(self, event: ListedEvent) -> bool:
        return event.channel is None or event.channel in self._settings.voice_channels

    async def _task(
        self,
        task: ListedTask,
        known: KnownTask,
        listed: Sequence[ListedEvent],
        period: TwilioPeriod,
    ) -> ComparedTask:
        needs, now = needs_of(task, known), self._now()
        conferences = tuple(task.conferences.values())
        recordings: tuple[TwilioRecording, ...] = ()
        added: list[CtiEvent] = []
        if needs.events:
            added = await self._missing_events(task, listed, period, now)
        is_silent = is_unanswered(added) or (needs.details and known.is_unanswered)
        participants: Participants = {}
        if needs.details or is_silent:
            participants = {sid: await self._lists.participants(sid) for sid in task.conferences}
        if needs.details:
            conferences, recordings = await self._details(task, known, participants)
        joined = _joined(task, participants, now) if is_silent else []
        added = list({event.event_id: event for event in (*joined, *added)}.values())
        found = ReconciliationEvidence(
            task_sid=task.task_sid,
            reservations=tuple(task.reservations.values()),
            conferences=conferences,
            recordings=recordings,
            added_events=tuple(sorted(event.event_id for event in added)),
            is_examined=needs.details and (not is_silent or bool(joined) or _is_settled(task, now)),
            checked_at=now,
        )
        before = known.evidence
        if not is_news(before, found):
            assert before is not None
            return ComparedTask(before, 0)
        # Write the events first: the evidence says that they were added.
        await self._add(added)
        await self._publish(RECONCILIATION_EVIDENCE, task.task_sid, encode(found))
        whole = found if before is None else merged(before, found)
        return ComparedTask(whole, len(added))

    async def _missing_events(
        self, task: ListedTask, listed: Sequence[ListedEvent], period: TwilioPeriod, now: int
    ) -> list[CtiEvent]:
        """Return the events of the task for `cti.events`. An acceptance in the period's list may be
        missing from the task's list, because Twilio updates that one later."""
        events = {e.event_sid: e for e in listed}
        for event in await self._lists.task_events(task.task_sid, period, now):
            events[event.event_sid] = event
        ends = [
            added_events.of_conference(task.task_sid, conference, now)
            for conference in task.conferences.values()
        ]
        return [*(e for e in ends if e is not None), *added_events.of_tasks(events.values(), now)]

    async def _details(
        self, task: ListedTask, known: KnownTask, participants: Participants
    ) -> tuple[tuple[EndedConference, ...], tuple[TwilioRecording, ...]]:
        conferences = [
            with_participants(each, participants[sid]) for sid, each in task.conferences.items()
        ]
        legs = set(known.call_sids).union(*(c.call_sids for c in conferences))
        for leg in known.call_sids[:1]:
            legs.update(await self._lists.child_calls(leg))
        recordings = await self._lists.recordings(task.conferences, legs)
        return tuple(conferences), recordings

    async def _add(self, events: Iterable[CtiEvent]) -> None:
        count = 0
        for event in events:
            assert event.task_sid is not None
            headers = [(ADDED_HEADER, event.shard_id.encode())]
            await self._publish(CTI_EVENTS, event.task_sid, encode(event), headers)
            count += 1
        if count:
            ADDED_EVENTS.inc(count)
            log.warning(
                "events were never delivered and are added from Twilio's lists",
                task_sid=event.task_sid,
                events=count,
            )

    async def _publish(
        self,
        topic: Topic,
        key: str,
        value: bytes,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> None:
        name = self._settings.prefixed(topic.name)
        await self._producer.send_and_wait(name, value, key.encode(), headers=headers)


def _joined(task: ListedTask, participants: Participants, now: int) -> list[CtiEvent]:
    """Return the events of the participants of a call that seems unanswered."""
    if participants and not any(participants.values()):
        log.warning(
            "Twilio lists no participants: an outbound call counts as unanswered",
            task_sid=task.task_sid,
        )
    return [
        event
        for sid, conference in task.conferences.items()
        for event in joined_events(task.task_sid, conference, participants[sid], now)
    ]


def _is_settled(task: ListedTask, now: int) -> bool:
    """Return whether Twilio's list of participants does not change any more."""
    return all(now - (c.ended_at or now) >= INSIGHTS_MS for c in task.conferences.values())


def _reservations(events: Iterable[ListedEvent]) -> list[tuple[str, AcceptedReservation]]:
    found = ((event.task_sid, accepted_reservation(event)) for event in events)
    return [(task_sid, each) for task_sid, each in found if each is not None]


def _ended_in(task: ListedTask, period: TwilioPeriod) -> bool:
    ends = (task.ended_at, *(c.ended_at for c in task.conferences.values()))
    return any(at is not None and period.begins_at <= at < period.ends_at for at in ends)
