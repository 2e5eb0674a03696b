"""Check that one call's media streams ran exactly when they had to. Pure; times are milliseconds
since the epoch. The model says when they had to run (`truth`), `uptime` when the pipeline could
know it, and the simulated Twilio when they ran."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from simulator.script import LegBegan, LegChanged, LegStatus, Script
from simulator.world import MediaStream
from tests.system.chaos.uptime import Span, moment, overlap, without

STOP_MS = 2_000
"""A media stream may run for this after the pipeline could know that it must not."""
START_MS = 3_000
"""The longest time until a required media stream begins, and until it begins again after it
dropped."""


@dataclass(frozen=True, slots=True)
class Demand:
    """`keep`: when a media stream was allowed to run; `begin`: when one had to begin if there was
    none. Both by the records on the topics at the time."""

    keep: tuple[Span, ...]
    begin: tuple[Span, ...]


@dataclass(slots=True)
class Verdict:
    """The differences, and measurements in ms. `stops`: how long media streams continued after it
    could be known that they must stop; `prompt`: how many of these stops came at a time without
    faults; `missing`: how long a media stream was missing after it could be known that it was
    required."""

    wrong: list[str] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    prompt: int = 0
    missing: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Judge:
    """Judges the media streams of one call. `blocked`: when the pipeline, or Twilio for this call,
    could do nothing, `unable`: the same as far as it excuses that none runs; `patience`: how many
    times the bounds may be taken."""

    script: Script
    demand: Demand
    blocked: Sequence[Span]
    unable: Sequence[Span]
    patience: float = 1.0
    verdict: Verdict = field(default_factory=Verdict)

    def judge(self, ran: Sequence[MediaStream]) -> Verdict:
        """Return the verdict on the media streams that ran."""
        for stream in ran:
            self._of_stream(stream)
        self._at_once(ran)
        self._holes(ran)
        return self.verdict

    def _of_stream(self, stream: MediaStream) -> None:
        wrong = self.verdict.wrong
        if stream.call_sid != self.script.customer_call_sid:
            wrong.append(f"a media stream ran on {stream.call_sid}, not the customer's leg")
        if stream.ended_at is None:
            wrong.append(f"{stream.sid} runs still")
        span = span_of(stream)
        before = [wanted for wanted in self.demand.keep if wanted.begin < span.end]
        if not before:
            wrong.append(f"{stream.sid} ran, though none was ever to run by then")
        for wanted, following in zip_longest(before, before[1:]):
            stops_at = min(span.end, following.begin) if following else span.end
            if stops_at > max(wanted.end, span.begin):
                self._stopped(stream.sid, wanted.end, stops_at)

    def _stopped(self, sid: str, wanted_until: int, stops_at: int) -> None:
        bound = round(STOP_MS * self.patience)
        could_know = moment(wanted_until, self.blocked, bound)
        over = stops_at - could_know
        self.verdict.stops.append(over)
        self.verdict.prompt += could_know == wanted_until
        if over > bound:
            self.verdict.wrong.append(f"{sid} ran {over} ms too long, after {could_know}")

    def _at_once(self, ran: Sequence[MediaStream]) -> None:
        bound = round(STOP_MS * self.patience)
        for first, second in pairwise(sorted(map(span_of, ran), key=lambda span: span.begin)):
            both_end = min(first.end, second.end)
            over = both_end - moment(second.begin, self.blocked, bound)
            if first.meets(second) and over > bound:
                since = both_end - second.begin
                self.verdict.wrong.append(f"two media streams at once for {since} ms")

    def _holes(self, ran: Sequence[MediaStream]) -> None:
        bound = round(START_MS * self.patience)
        needed = overlap(self.demand.begin, in_progress(self.script))
        for hole in without(needed, map(span_of, ran)):
            late = hole.end - moment(hole.begin, self.unable, bound)
            self.verdict.missing.append(late)
            if late > bound:
                self.verdict.wrong.append(f"no media stream for {late} ms, from {hole.begin} on")


def span_of(stream: MediaStream) -> Span:
    """When it ran at Twilio."""
    began = stream.began_at or stream.requested_at
    return Span(began, max(began, stream.ended_at or began))


def in_progress(script: Script) -> list[Span]:
    """When the customer's leg could be streamed."""
    spans, since = [], None
    for step in script.steps:
        match step.action:
            case LegBegan(sid, status) | LegChanged(sid, status):
                if sid != script.customer_call_sid:
                    continue
                if since is not None:
                    spans.append(Span(since, step.at))
                since = step.at if status is LegStatus.IN_PROGRESS else None
    return spans + ([Span(since, script.ends_at)] if since is not None else [])
