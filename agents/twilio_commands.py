"""Carries one command out at Twilio, to its end: asks, asks again, gives up, answers.

The order of a call's commands, and what is committed when, is `twilio_adapter.py`'s.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from prometheus_client import Counter, Histogram

from agents.twilio_client import TwilioError
from agents.twilio_effort import BackOff, Command, Effort, Knowledge, Known, Remembered, wall_clock
from pipeline.streams.errors import Verdict, verdict_on_start, verdict_on_stop
from pipeline.streams.marks import (
    NoLeg,
    Participant,
    customer_leg,
    has_worker_end,
    newest,
)
from pipeline.streams.names import stream_name
from pipeline.telemetry import Health
from schemas.records import CommandAnswered, StartDuplicateStream, StopDuplicateStream

log = structlog.get_logger(__name__)

LEAST_STOP_MS = 5_000
"""A stop is tried for at least this long, however late it is begun."""

RETRIES = Counter("flexcapture_twilio_retries", "Requests asked again", ["command", "why"])
ANSWERS = Counter("flexcapture_twilio_commands", "Commands answered", ["command", "outcome"])
LATENCY = Histogram(
    "flexcapture_twilio_command_seconds",
    "From a command's issue to its answer",
    ["command"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2, 5, 10, 30, 60),
)


class Api(Protocol):
    """The part of Twilio's API that is used: see `twilio_client.TwilioApi`."""

    async def start_stream(
        self, call_sid: str, name: str, url: str, parameters: dict[str, str]
    ) -> str | None: ...
    async def stop_stream(self, call_sid: str, sid_or_name: str) -> None: ...
    async def conferences(self, friendly_name: str) -> list[str]: ...
    async def participants(self, conference_sid: str) -> list[Participant]: ...
    async def parties(self, call_sid: str) -> tuple[str, ...]: ...


class Lane(Protocol):
    """The call's other commands, as far as they matter to the one being carried out."""

    def is_overtaken(self, command: StartDuplicateStream) -> bool:
        """Whether a later command makes this one pointless."""
        ...

    async def pause(self, seconds: float) -> None:
        """Returns after that time, or at once when another command of the call comes."""
        ...


class Commands:
    """Carries commands out. `public_url` is what Twilio is told to stream to."""

    def __init__(
        self, api: Api, public_url: str, health: Health, now: Callable[[], int] = wall_clock
    ) -> None:
        self._api = api
        self._public_url = public_url
        self._health = health
        self._now = now
        self._knowledge = Knowledge()
        self._answers: Remembered[str, CommandAnswered] = Remembered()
        self._ends_of: Remembered[str, tuple[str, ...]] = Remembered()

    async def carry_out(self, command: Command, lane: Lane) -> CommandAnswered:
        """The command's answer, once there is one. Carrying a command out again is harmless; one
        that this process answered before is answered the same, without asking Twilio."""
        before = self._answers.get(command.command_id)
        if before is not None:
            return before
        if isinstance(command, StartDuplicateStream):
            self._knowledge.seen(command)
            answer = await self._start(command, lane)
        else:
            answer = await self._stop(command, lane)
        self._answers.put(command.command_id, answer)
        ANSWERS.labels(answer.command, answer.outcome).inc()
        LATENCY.labels(answer.command).observe(max(0, answer.at - command.issued_at) / 1000)
        log.info(
            "command answered",
            command_id=answer.command_id,
            outcome=answer.outcome,
            call_sid=answer.call_sid,
            stream_sid=answer.stream_sid,
            attempts=answer.attempts,
            detail=answer.detail,
        )
        return answer

    # Starting

    async def _start(self, command: StartDuplicateStream, lane: Lane) -> CommandAnswered:
        effort = Effort()
        asking, resting = BackOff(0.3, 1.0, 1.4), BackOff(0.2, 3.0, 1.6)
        leg: str | NoLeg | None = command.call_sid
        while True:
            if (told := self._settled(command, lane, effort)) is not None:
                return told
            wait = asking
            try:
                leg = leg if isinstance(leg, str) else await self._leg(command, effort)
                if isinstance(leg, str):
                    return await self._request_start(command, leg, effort)
                effort.went(leg.value)
            except TwilioError as error:
                effort.failed(error)
                match verdict_on_start(error.status, error.code):
                    case Verdict.ASK_AGAIN:
                        pass
                    case Verdict.LOOK_UP_AGAIN:
                        leg = None
                    case Verdict.BACK_OFF:
                        wait = resting
                    case verdict:
                        self._refused(verdict, error)
                        return effort.answer(command, "failed", self._now())
            RETRIES.labels("start", str(effort.code or "no leg")).inc()
            await lane.pause(wait.delay())

    def _settled(
        self, command: StartDuplicateStream, lane: Lane, effort: Effort
    ) -> CommandAnswered | None:
        """The answer where nothing (more) is to be asked."""
        known = self._knowledge.of(command)
        if known is not None and known.done and known.call_sid is not None:
            effort.went("started before")
            return self._done(command, known.call_sid, known.stream_sid, effort)
        if lane.is_overtaken(command):
            return effort.answer(command, "superseded", self._now())
        if self._now() >= command.expires_at:
            return effort.answer(command, "expired", self._now())
        return None

    async def _leg(self, command: StartDuplicateStream, effort: Effort) -> str | NoLeg:
        participants = await self._participants(command.task_sid, effort)
        of_workers, of_customers = set(command.worker_marks), set(command.customer_marks)
        leg = customer_leg(participants, of_workers, of_customers)
        if leg in (NoLeg.AMBIGUOUS, NoLeg.UNSURE):
            # Neither labels nor events tell: the legs' own ends may.
            for participant in participants:
                ends = await self._ends(participant.call_sid, effort)
                if has_worker_end(ends):
                    of_workers.add(participant.call_sid.lower())
                elif of_customers.intersection(ends):
                    of_customers.add(participant.call_sid.lower())
            leg = customer_leg(participants, of_workers, of_customers)
        if leg is NoLeg.AMBIGUOUS and command.direction == "outbound":
            # Who calls out is there before whom he calls. Of an inbound call an event will tell.
            leg = newest(participants, of_workers)
        return leg if isinstance(leg, NoLeg) else leg.call_sid

    async def _ends(self, call_sid: str, effort: Effort) -> tuple[str, ...]:
        known = self._ends_of.get(call_sid)
        if known is None:
            effort.attempts += 1
            try:
                known = tuple(end.lower() for end in await self._api.parties(call_sid))
            except TwilioError as error:
                if verdict_on_start(error.status, error.code) is not Verdict.LOOK_UP_AGAIN:
                    raise
                known = ()
            self._ends_of.put(call_sid, known)
        return known

    async def _participants(self, task_sid: str, effort: Effort) -> list[Participant]:
        effort.attempts += 1
        found: list[Participant] = []
        for conference in await self._api.conferences(task_sid):
            effort.attempts += 1
            found += await self._api.participants(conference)
        return found

    async def _request_start(
        self, command: StartDuplicateStream, leg: str, effort: Effort
    ) -> CommandAnswered:
        name = stream_name(command.task_sid, leg, command.generation)
        parameters = {
            "taskSid": command.task_sid,
            "callSid": leg,
            "generation": str(command.generation),
            "name": name,
        }
        self._knowledge.requested(command, leg)
        effort.attempts += 1
        try:
            sid = await self._api.start_stream(leg, name, self._public_url, parameters)
        except TwilioError as error:
            if verdict_on_start(error.status, error.code) is not Verdict.DONE:
                raise
            # One of this name is there: ours, of a request whose answer was lost. Whether it is
            # alive shows when a gateway reports it.
            effort.went("already started")
            sid = None
        else:
            effort.went("started")
        self._health.good("twilio")
        return self._done(command, leg, sid, effort)

    def _done(
        self, command: StartDuplicateStream, leg: str, stream_sid: str | None, effort: Effort
    ) -> CommandAnswered:
        self._knowledge.started(command, leg, stream_sid)
        name = stream_name(command.task_sid, leg, command.generation)
        return effort.answer(
            command, "done", self._now(), call_sid=leg, stream_sid=stream_sid, name=name
        )

    # Stopping

    async def _stop(self, command: StopDuplicateStream, lane: Lane) -> CommandAnswered:
        effort = Effort(detail="nothing was started")
        resting = BackOff(0.25, 5.0)
        give_up_at = max(command.expires_at, self._now() + LEAST_STOP_MS)
        while True:
            try:
                for leg, sid_or_name in await self._targets(command, effort):
                    await self._request_stop(leg, sid_or_name, effort)
                return self._stop_answer(command, "done", effort)
            except TwilioError as error:
                effort.failed(error)
                verdict = verdict_on_stop(error.status, error.code)
                if verdict is not Verdict.BACK_OFF or self._now() >= give_up_at:
                    self._refused(verdict, error)
                    return self._stop_answer(command, "failed", effort)
            RETRIES.labels("stop", str(effort.code)).inc()
            await lane.pause(resting.delay())

    async def _targets(
        self, command: StopDuplicateStream, effort: Effort
    ) -> Sequence[tuple[str, str]]:
        """The leg and the SID or name of each media stream that the command may mean."""
        remembered = self._knowledge.of(command)
        known = remembered or Known()
        call_sid = command.call_sid or known.call_sid
        stream_sid = command.stream_sid or known.stream_sid
        if call_sid and stream_sid:
            return [(call_sid, stream_sid)]
        legs = dict.fromkeys((*known.legs, *filter(None, [command.call_sid])))
        if not legs and remembered is None:
            # Who started it, if anybody, is gone: its name can be told for each leg there is.
            participants = await self._participants(command.task_sid, effort)
            legs = dict.fromkeys(p.call_sid for p in participants)
        return [(leg, stream_name(command.task_sid, leg, command.generation)) for leg in legs]

    async def _request_stop(self, leg: str, sid_or_name: str, effort: Effort) -> None:
        effort.attempts += 1
        try:
            await self._api.stop_stream(leg, sid_or_name)
        except TwilioError as error:
            if verdict_on_stop(error.status, error.code) is not Verdict.DONE:
                raise
            effort.went("gone already")
        else:
            effort.went("stopped")
        self._health.good("twilio")

    def _stop_answer(
        self, command: StopDuplicateStream, outcome: str, effort: Effort
    ) -> CommandAnswered:
        return effort.answer(
            command,
            outcome,
            self._now(),
            call_sid=command.call_sid,
            stream_sid=command.stream_sid,
            name=command.name,
        )

    def _refused(self, verdict: Verdict, error: TwilioError) -> None:
        if verdict is Verdict.REFUSED:
            self._health.bad("twilio", f"Twilio refuses the credentials ({error})")
