"""The end of a run: read the topics, run the model, compare, and return the differences."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.records import (
    Call,
    DeadLetter,
    MediaStreamOpened,
    RecordingCompleted,
    RecordingDecided,
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
from simulator.script import Json, Script
from simulator.twilio_rest import ApiTrouble
from simulator.world import MediaStream
from tests.system.chaos.accounting import accounting
from tests.system.chaos.audio_after_stops import audio_after_stops
from tests.system.chaos.deliveries import as_handled, deliveries, listed_only
from tests.system.chaos.finality import (
    CLOSED_MS,
    Decided,
    audible,
    counts,
    from_log,
    known,
    of_contact,
    open_sockets,
)
from tests.system.chaos.gap_reasons import Faults, untrue
from tests.system.chaos.judging import Judge, Verdict
from tests.system.chaos.list_faults import EFFECT_MS, in_force
from tests.system.chaos.options import Options
from tests.system.chaos.run import Played
from tests.system.chaos.topics import TopicRecord, read
from tests.system.chaos.truth import Truth, differences, truth
from tests.system.chaos.uptime import Life, Span, down, joined
from tests.system.model.required import required

RECOVERED_MS = 3_000
"""After an outage of Twilio's API, requests are sent as usual within this."""

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
    """One call's verdict, with the data to investigate it."""

    script: Script
    verdict: Verdict
    truth: Truth | None
    ran: list[MediaStream]
    records: list[TopicRecord]
    contact: Json | None = None


@dataclass(slots=True)
class Assessment:
    """The result of a run. `wrong`: the differences that belong to no single call; `calls`: each
    call's verdict; `damages`: how often the monitored list was damaged; `outages`: how often
    Twilio's API was unavailable."""

    calls: list[Judged] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    blocked: list[Span] = field(default_factory=list)
    damages: int = 0
    outages: int = 0

    @property
    def holds(self) -> bool:
        """Whether all is as it must be."""
        return not self.wrong and not any(call.verdict.wrong for call in self.calls)


async def assess(options: Options, played: Played) -> Assessment:
    """Compares everything."""
    records = await read(played.processes.endpoints["kafka"], TOPICS)
    audio = await audio_after_stops(played)
    return await asyncio.to_thread(Assessor(options, played, records, audio).all)


class Assessor:
    """Compares the played calls with all records on the topics and with the recordings
    (`audio`)."""

    def __init__(
        self,
        options: Options,
        played: Played,
        records: Sequence[TopicRecord],
        audio: Mapping[str, bytes],
    ) -> None:
        self._options, self._played, self._records = options, played, records
        self._audio = audio
        self._now = clock()
        self._by_key: dict[str | None, list[TopicRecord]] = defaultdict(list)
        for one in records:
            self._by_key[one.key].append(one)
        self._away = [Span(begin, end + RECOVERED_MS) for begin, end in played.stage.twilio.spans]
        self._blocked = self._blocked_by(played.processes.lives)
        # A gateway that was killed is to be back within the bound for what dropped with it.
        other = {n: x for n, x in played.processes.lives.items() if not n.startswith("gateway-")}
        self._blocked_otherwise = self._blocked_by(other)
        self._lists = in_force(
            played.stage.monitored.history,
            (one.record for one in records if isinstance(one.record, RecordingPolicy)),
            joined([*self._blocked, *played.stage.monitored.damages]),
            round(EFFECT_MS * options.patience),
        )
        self._listed = self._lists.versions

    def all(self) -> Assessment:
        """The whole and each call."""
        lives = self._played.processes.lives
        return Assessment(
            calls=[self._judged(script) for script in self._played.scripts],
            wrong=overall(self._played, self._records) + self._lists.wrong,
            troubles=Counter(t.kind for t in self._played.stage.rest.troubles),
            kills=Counter(name for name in lives for life in lives[name] if life.killed),
            blocked=self._blocked,
            damages=len(self._played.stage.monitored.damages),
            outages=len(self._played.stage.twilio.spans),
        )

    def _blocked_by(self, lives: Mapping[str, Sequence[Life]]) -> list[Span]:
        brokers = self._played.stage.brokers
        outages = brokers.outages if brokers else []
        extra = self._played.processes.extra
        return joined([*down(lives, self._now), *extra, *outages, *self._away])

    def _judged(self, script: Script) -> Judged:
        ran = self._played.ran(script)
        records = [t for key in (script.task_sid, *script.legs) for t in self._by_key[key]]
        records.sort(key=lambda one: one.at)
        legs = listed_only(records)
        events = deliveries(records, legs)
        handled, now = as_handled(records), self._now
        model = truth(script.task_sid, events, handled, self._listed, now, legs=legs)
        if model is None:
            return Judged(script, Verdict(["no event of it is on cti.events"]), None, ran, records)
        verdict = self._streams(script, model, ran)
        contact = self._played.contacts.get(script.task_sid)
        verdict.wrong += differences(model, contact, connected=any(s.began_at for s in ran))
        verdict.wrong += _recordings(ran, contact)
        if contact is not None and model.story.state == "ended":
            spans = self._required(script.task_sid, records)
            own = [s for s in ran if s.call_sid == script.customer_call_sid]
            verdict.wrong += accounting(spans, own, contact)
            verdict.wrong += untrue(contact, self._faults(script, ran))
            verdict.wrong += self._after_stops(ran, contact, records)
        verdict.wrong += _last_version(model, records)
        return Judged(script, verdict, model, ran, records, contact)

    def _streams(self, script: Script, model: Truth, ran: Sequence[MediaStream]) -> Verdict:
        """Whether the media streams ran when they had to."""
        hangs = _hangs(script, self._played.stage.rest.troubles)
        unable = joined([*self._blocked_otherwise, *hangs])
        if script.task_sid in self._played.refused:
            unable = [Span(script.begins_at, self._now)]
        blocked = joined([*self._blocked, *hangs])
        return Judge(script, model.demand, blocked, unable, self._options.patience).judge(ran)

    def _faults(self, script: Script, ran: Sequence[MediaStream]) -> Faults:
        """What went wrong with a call, as far as the run knows."""
        stage = self._played.stage
        starts = tuple(f"/Calls/{leg}/Streams.json" for leg in script.legs)
        about = (*starts, "Conferences.json", "Participants.json")
        return Faults(
            is_refused=script.task_sid in self._played.refused,
            refusals=[r for r in stage.rest.refusals if r.path.endswith(starts)],
            troubles=[t for t in stage.rest.troubles if t.path.endswith(about)],
            ran=ran,
            gateway_died=self._was_killed("gateway"),
            was_cut_off=stage.brokers is not None or self._was_killed("kafka"),
            down=self._blocked,
        )

    def _after_stops(
        self, ran: Sequence[MediaStream], contact: Mapping[str, Any], log: Sequence[TopicRecord]
    ) -> list[str]:
        """Return the mistakes about audio that was sent after stops."""
        records = [(t.record, t.at) for t in log]
        decided = [Decided(r.at, r.decision, at) for r, at in records
                   if isinstance(r, RecordingDecided)]  # fmt: skip
        completed = {r.stream_sid: at for r, at in records if isinstance(r, RecordingCompleted)}
        brokers = self._played.stage.brokers
        outages = joined([*(brokers.outages if brokers else ()), *self._down("kafka")])
        bound = round(CLOSED_MS * self._options.patience)
        wrong = open_sockets(ran, from_log(decided), outages, bound)
        recorded = {r["stream_sid"]: r for r in contact["recordings"]}
        may_lose = self._was_killed("gateway")
        for stream in ran:
            silent = known(decided, completed.get(stream.sid, 0))
            if stream.sid in recorded:
                possibly = of_contact(contact)
                recording = recorded[stream.sid]
                wrong += counts(stream, recording, silent, possibly, may_lose=may_lose)
            if stream.sid in self._audio:
                wrong += audible(stream, self._audio[stream.sid], silent)
        return wrong

    def _down(self, role: str) -> list[Span]:
        lives = self._played.processes.lives
        return down({n: x for n, x in lives.items() if n.startswith(f"{role}-")}, self._now)

    def _was_killed(self, role: str) -> bool:
        return bool(self._down(role))

    def _required(self, task_sid: str, records: Sequence[TopicRecord]) -> list[tuple[int, int]]:
        """When the call had to be recorded, by all of its events."""
        legs = listed_only(records)
        events = [(event, arrived_at) for _, event, arrived_at in deliveries(records, legs)]
        opened = [t.record.at for t in records if isinstance(t.record, MediaStreamOpened)]
        opened += [t.record.started_at for t in records if isinstance(t.record, RecordingStarted)]
        opened_at = min(opened, default=None)
        return required(events, task_sid, self._listed, self._now, opened_at, legs=legs)


def _last_version(model: Truth, records: Sequence[TopicRecord]) -> list[str]:
    """The last version on `calls` says the same."""
    calls = [one.record for one in records if isinstance(one.record, Call)]
    last = max(calls, key=lambda call: call.revision, default=None)
    if last is None:
        return ["no version on `calls`"]
    found = {c.reservation_sid: c.state for c in last.connections}
    wrong = [] if last.state == model.story.state else [f"the call is {last.state} at last"]
    if found != model.story.connections:
        wrong.append(f"connections are {found}, expected {model.story.connections}")
    return wrong


def _hangs(script: Script, troubles: Sequence[ApiTrouble]) -> list[Span]:
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


def overall(played: Played, records: Sequence[TopicRecord]) -> list[str]:
    """What concerns no single call: events exactly once, dead letters only for rubbish."""
    wrong = []
    found = Counter(t.record.event_id for t in records if t.topic == CTI_EVENTS.name)
    for event_id, times in played.sent.items():
        if found[event_id] != times:
            wrong.append(
                f"event {event_id} was put {times} times, is there {found[event_id]} times"
            )
    for one in records:
        letter = one.record
        if isinstance(letter, DeadLetter) and letter.original not in played.rubbish:
            wrong.append(f"a dead letter of {letter.role}: {letter.reason}, {letter.detail}")
    return wrong
