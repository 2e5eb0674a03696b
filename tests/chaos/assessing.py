"""The end of a run: reads the topics, asks the model, compares, and says what is wrong."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.records import (
    Call,
    CtiEvent,
    DeadLetter,
    MediaStreamOpened,
    RecordingPolicy,
    RecordingStarted,
)
from schemas.topics import (
    CALLS,
    CONTACTS,
    CTI_EVENTS,
    CTI_RESOLVED,
    DEAD_LETTERS,
    POLICY,
    RECORDINGS,
    STREAM_COMMANDS,
    STREAM_EVENTS,
)
from simulator.media import clock
from simulator.script import Script
from simulator.twilio_rest import Trouble
from simulator.world import MediaStream
from tests.chaos.accounting import accounting
from tests.chaos.judging import Judge, Verdict
from tests.chaos.options import Options
from tests.chaos.run import Played
from tests.chaos.topics import Told, read
from tests.chaos.truth import Truth, differences, truth, versions
from tests.chaos.uptime import Life, Span, down, joined
from tests.model.required import required
from tests.model.verdicts import Delivery

TOPICS = (
    CTI_EVENTS,
    CTI_RESOLVED,
    DEAD_LETTERS,
    CALLS,
    STREAM_COMMANDS,
    STREAM_EVENTS,
    CONTACTS,
    POLICY,
    RECORDINGS,
)


@dataclass(slots=True)
class Judged:
    """One call's verdict, with what is needed to look into it."""

    script: Script
    verdict: Verdict
    truth: Truth | None
    ran: list[MediaStream]
    told: list[Told]


@dataclass(slots=True)
class Assessment:
    """`wrong`: what is wrong with the whole; `calls`: each call's verdict."""

    calls: list[Judged] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    blocked: list[Span] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all is as it must be."""
        return not self.wrong and not any(call.verdict.wrong for call in self.calls)


async def assess(options: Options, played: Played) -> Assessment:
    """Compares everything."""
    told = await read(played.processes.told["kafka"], TOPICS)
    return await asyncio.to_thread(Assessor(options, played, told).all)


class Assessor:
    """Compares what was played with `told`, all that is on the topics."""

    def __init__(self, options: Options, played: Played, told: Sequence[Told]) -> None:
        self._options, self._played, self._told = options, played, told
        self._now = clock()
        self._by_key: dict[str | None, list[Told]] = defaultdict(list)
        for one in told:
            self._by_key[one.key].append(one)
        policies = (one.record for one in told if isinstance(one.record, RecordingPolicy))
        self._listed = versions(policies)
        self._blocked = self._blocked_by(played.processes.lives)
        # A gateway that was killed is to be back within the bound for what dropped with it.
        other = {n: x for n, x in played.processes.lives.items() if not n.startswith("gateway-")}
        self._blocked_otherwise = self._blocked_by(other)

    def all(self) -> Assessment:
        """The whole and each call."""
        lives = self._played.processes.lives
        return Assessment(
            calls=[self._judged(script) for script in self._played.scripts],
            wrong=whole(self._played, self._told),
            troubles=Counter(t.kind for t in self._played.stage.rest.troubles),
            kills=Counter(name for name in lives for life in lives[name] if life.killed),
            blocked=self._blocked,
        )

    def _blocked_by(self, lives: Mapping[str, Sequence[Life]]) -> list[Span]:
        broker = self._played.stage.broker
        outages = broker.outages if broker else []
        extra = self._played.processes.extra
        return joined([*down(lives, self._now), *extra, *outages])

    def _judged(self, script: Script) -> Judged:
        world = self._played.stage.simulation.world
        legs = [world.legs[sid] for sid in script.legs if sid in world.legs]
        ran = [stream for leg in legs for stream in leg.media_streams]
        told = [t for key in (script.task_sid, *script.legs) for t in self._by_key[key]]
        told.sort(key=lambda one: one.at)
        model = truth(
            script.task_sid, _deliveries(told), _as_handled(told), self._listed, self._now
        )
        if model is None:
            return Judged(script, Verdict(["no event of it is on cti.events"]), None, ran, told)
        hangs = _hangs(script, self._played.stage.rest.troubles)
        judge = Judge(
            script,
            model.demand,
            joined([*self._blocked, *hangs]),
            joined([*self._blocked_otherwise, *hangs]),
            self._options.patience,
        )
        verdict = judge.judge(ran)
        contact = self._played.contacts.get(script.task_sid)
        verdict.wrong += differences(model, contact, connected=any(s.began_at for s in ran))
        verdict.wrong += _recordings(ran, contact)
        if contact is not None and model.story.state == "ended":
            spans = self._required(script.task_sid, told)
            own = [s for s in ran if s.call_sid == script.customer_call_sid]
            verdict.wrong += accounting(spans, own, contact)
        verdict.wrong += _last_version(model, told)
        return Judged(script, verdict, model, ran, told)

    def _required(self, task_sid: str, told: Sequence[Told]) -> list[tuple[int, int]]:
        """When the call had to be recorded, by all of its events."""
        known = [(event, arrived_at) for _, event, arrived_at in _deliveries(told)]
        opened = [t.record.at for t in told if isinstance(t.record, MediaStreamOpened)]
        opened += [t.record.started_at for t in told if isinstance(t.record, RecordingStarted)]
        return required(known, task_sid, self._listed, self._now, min(opened, default=None))


def _last_version(model: Truth, told: Sequence[Told]) -> list[str]:
    """The last version on `calls` says the same."""
    calls = [one.record for one in told if isinstance(one.record, Call)]
    last = max(calls, key=lambda call: call.revision, default=None)
    if last is None:
        return ["no version on `calls`"]
    found = {c.reservation_sid: c.state for c in last.connections}
    wrong = [] if last.state == model.story.state else [f"the call is {last.state} at last"]
    if found != model.story.connections:
        wrong.append(f"connections are {found}, expected {model.story.connections}")
    return wrong


def _deliveries(told: Sequence[Told]) -> list[Delivery]:
    return [
        (t.at, json.loads(t.record.body), t.record.arrived_at)
        for t in told
        if t.topic == CTI_EVENTS.name
    ]


def _as_handled(told: Sequence[Told]) -> list[Delivery]:
    """The events in the order in which the tracker took them in, each at the time of the version
    that it caused; one that caused none comes with the one before it on its partition."""
    versions_of = [one for one in told if isinstance(one.record, Call)]
    caused = {one.record.cause_event_id: one for one in reversed(versions_of)}
    events = [one for one in told if isinstance(one.record, CtiEvent)]
    resolved = {one.record.event_id for one in events if one.topic == CTI_RESOLVED.name}
    places = []
    latest: dict[tuple[str, int], tuple[int, int]] = {}
    for one in sorted(events, key=lambda one: (one.topic, one.partition, one.offset)):
        if one.topic == CTI_EVENTS.name and one.record.event_id in resolved:
            continue
        before = latest.get((one.topic, one.partition), (one.at, 0))
        version = caused.get(one.record.event_id)
        place = max(before, (version.at, version.record.revision) if version else before)
        latest[one.topic, one.partition] = place
        places.append((place, one.offset, one))
    deliveries: list[Delivery] = []
    at = 0
    for place, _, one in sorted(places, key=lambda item: item[:2]):
        at = max(at + 1, place[0])  # in this order, also where several have the same time
        deliveries.append((at, json.loads(one.record.body), one.record.arrived_at))
    return deliveries


def _hangs(script: Script, troubles: Sequence[Trouble]) -> list[Span]:
    """When Twilio kept requests about this call waiting."""
    names = (*script.legs, script.task_sid)
    return [
        Span(t.began_at, t.ended_at)
        for t in troubles
        if t.kind in ("hangs", "slow") and any(name in t.path for name in names)
    ]


def _recordings(ran: Sequence[MediaStream], contact: dict[str, Any] | None) -> list[str]:
    if contact is None:
        return []
    wrong = []
    recorded = {r["stream_sid"]: r for r in contact["recordings"]}
    for stream in ran:
        if not stream.sent and stream.sid not in recorded:
            continue
        if stream.sid not in recorded:
            wrong.append(f"no recording of {stream.sid}")
        elif recorded[stream.sid]["state"] != "complete":
            wrong.append(f"the recording of {stream.sid} is not complete")
    unknown = set(recorded) - {stream.sid for stream in ran}
    return wrong + [f"a recording of {sid}, which never ran" for sid in unknown]


def whole(played: Played, told: Sequence[Told]) -> list[str]:
    """What concerns no single call: events exactly once, dead letters only for rubbish."""
    wrong = []
    found = Counter(t.record.event_id for t in told if t.topic == CTI_EVENTS.name)
    for event_id, times in played.sent.items():
        if found[event_id] != times:
            wrong.append(
                f"event {event_id} was put {times} times, is there {found[event_id]} times"
            )
    for one in told:
        letter = one.record
        if isinstance(letter, DeadLetter) and letter.original not in played.rubbish:
            wrong.append(f"a dead letter of {letter.role}: {letter.reason}, {letter.detail}")
    return wrong
