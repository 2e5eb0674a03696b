"""Carry out one command at Twilio: send the request, repeat it or give up, and answer.

`service.py` and `lanes.py` decide about the order of a call's commands and about commits,
`request_gate.py` about when a request may go out.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from agents.twilio_adapter.attempt import (
    Effort,
    Knowledge,
    Known,
    Lane,
    Remembered,
    without_invalid_sids,
)
from agents.twilio_adapter.conference_lookup import ConferenceFinder
from agents.twilio_adapter.leg_lookup import ConferenceApi, LegLookup
from agents.twilio_adapter.metrics import COMMAND_SECONDS, COMMANDS_ANSWERED, RETRIES
from agents.twilio_adapter.request_gate import RequestGate
from agents.twilio_adapter.turns import NoTurn
from agents.twilio_adapter.verification import LegFetcher, LegVerifier
from agents.twilio_adapter.waits import pause_for, wait_after
from pipeline.runtime.telemetry import count_invalid_sids
from pipeline.runtime.twilio_http import TwilioError
from pipeline.streams.command_results import NO_CONFERENCE
from pipeline.streams.marks import NoLeg
from pipeline.streams.names import stream_name
from pipeline.twilio.errors import (
    ALREADY_STARTED,
    ErrorVerdict,
    is_outcome_known,
    verdict_on_start,
    verdict_on_stop,
)
from pipeline.twilio.sids import SidKind, valid_sid
from schemas.records import (
    CommandAnswered,
    FetchLeg,
    FindConference,
    StartDuplicateStream,
    StopDuplicateStream,
    StreamCommand,
    VerifyLeg,
)

log = structlog.get_logger(__name__)

LEAST_STOP_MS = 5_000
"""A stop is tried for at least this long, even if it begins after it has expired."""


class Api(ConferenceApi, Protocol):
    """The part of Twilio's API that commands use: see `client.TwilioApi`."""

    async def start_stream(
        self, call_sid: str, name: str, url: str, parameters: dict[str, str]
    ) -> str | None: ...
    async def stop_stream(self, call_sid: str, sid_or_name: str) -> None: ...


class Commands:
    """Carries out commands. `public_url`: the URL that Twilio streams to; `now`: the log's clock
    (ms), which also gave the times at which commands were issued and expire."""

    def __init__(
        self, api: Api, gate: RequestGate, public_url: str, now: Callable[[], int]
    ) -> None:
        self._api = api
        self._gate = gate
        self._public_url = public_url
        self._now = now
        self._legs = LegLookup(api, gate)
        self._verifier = LegVerifier(self._legs)
        self._finder = ConferenceFinder(self._legs, gate)
        self._fetcher = LegFetcher(self._legs)
        self._knowledge = Knowledge()
        self._answers: Remembered[str, CommandAnswered] = Remembered()

    async def carry_out(self, command: StreamCommand, lane: Lane) -> CommandAnswered:
        """Carry out the command and return its answer. Repeating a command is harmless: one that
        this process answered before gets the same answer, without a request to Twilio."""
        before = self._answers.get(command.command_id)
        if before is not None:
            return before
        command, invalid = without_invalid_sids(command)
        count_invalid_sids(invalid)
        answer = await self._answered(command, lane)
        self._answers.put(command.command_id, answer)
        COMMANDS_ANSWERED.labels(answer.command, answer.outcome).inc()
        COMMAND_SECONDS.labels(answer.command).observe(max(0, answer.at - command.issued_at) / 1000)
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

    async def _answered(self, command: StreamCommand, lane: Lane) -> CommandAnswered:
        is_stop = isinstance(command, StopDuplicateStream)
        least = self._now() + LEAST_STOP_MS if is_stop else 0
        effort = Effort(command, lane, max(command.expires_at, least), self._now)
        try:
            if isinstance(command, StartDuplicateStream):
                self._knowledge.seen(command)
                return await self._start(command, effort)
            if isinstance(command, VerifyLeg):
                return await self._verifier.verify(command, effort)
            if isinstance(command, FindConference):
                return await self._finder.find(effort)
            if isinstance(command, FetchLeg):
                return await self._fetcher.fetch(command, effort)
            return await self._stop(command, effort)
        except Exception as error:
            # Our own fault ends this command, not the process: it would fail again after a restart.
            log.exception("command failed", command_id=command.command_id)
            effort.went(f"internal error: {error!r}")
            return effort.answer("failed")

    # Starting

    async def _start(self, command: StartDuplicateStream, effort: Effort) -> CommandAnswered:
        if valid_sid(SidKind.TASK, command.task_sid) is None:
            effort.went("the command's task SID has the wrong form")
            return effort.answer("failed")
        leg: str | NoLeg | None = command.call_sid
        while (early := self._early_answer(command, effort)) is None:
            try:
                result = await self._try_start(command, leg, effort)
                if isinstance(result, CommandAnswered):
                    return result
                leg = result
                wait: float | None = pause_for(effort, is_gone=leg is NoLeg.NO_CONFERENCE)
            except NoTurn as ended:
                effort.waited(ended.trouble)
                continue
            except TwilioError as error:
                effort.failed(error)
                verdict = verdict_on_start(error.status, error.code)
                leg = None if verdict is ErrorVerdict.LOOK_UP_AGAIN else leg
                wait = wait_after(self._gate, error, verdict, effort)
            if wait is None:
                return effort.answer("failed")
            RETRIES.labels("start", str(effort.code or "no leg")).inc()
            await effort.rest(wait)
        return early

    async def _try_start(
        self, command: StartDuplicateStream, leg: str | NoLeg | None, effort: Effort
    ) -> CommandAnswered | NoLeg:
        """Return the answer, or why there is no leg to stream yet. Without a conference, a command
        that names no leg is answered, because there is nowhere to look for its leg."""
        if not isinstance(leg, str):
            leg = await self._legs.of_customer(command, effort)
        if isinstance(leg, str):
            return await self._request_start(command, leg, effort)
        effort.went(leg.value)
        ends = leg is NoLeg.NO_CONFERENCE and command.call_sid is None
        return effort.answer(NO_CONFERENCE) if ends else leg

    def _early_answer(
        self, command: StartDuplicateStream, effort: Effort
    ) -> CommandAnswered | None:
        """Return the answer if no (further) request is needed, else None."""
        known = self._knowledge.of(command)
        if known is not None and known.done and known.call_sid is not None:
            effort.went("started before")
            return self._done(command, known.call_sid, known.stream_sid, effort)
        if effort.lane.is_overtaken(command):
            return effort.answer("superseded")
        if effort.patience() <= 0:
            return effort.answer("expired")
        return None

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
        repeated = False

        async def request() -> str | None:
            nonlocal repeated
            repeated = self._knowledge.requested(command, leg)
            effort.attempts += 1
            return await self._api.start_stream(leg, name, self._public_url, parameters)

        effort.waited(self._gate.error)
        try:
            sid = await self._gate.ask(effort, request)
        except TwilioError as error:
            verdict = verdict_on_start(error.status, error.code, error.message, repeated=repeated)
            if verdict is not ErrorVerdict.DONE:
                if not repeated and is_outcome_known(error.status):
                    self._knowledge.refused(command, leg)
                raise
            # A media stream of this name exists: ours, from a request with a lost answer. If it
            # is alive, a gateway will report it.
            effort.believed(ALREADY_STARTED, error)
            sid = None
        else:
            effort.succeeded("started")
        return self._done(command, leg, sid, effort)

    def _done(
        self, command: StartDuplicateStream, leg: str, stream_sid: str | None, effort: Effort
    ) -> CommandAnswered:
        self._knowledge.started(command, leg, stream_sid)
        name = stream_name(command.task_sid, leg, command.generation)
        return effort.answer("done", call_sid=leg, stream_sid=stream_sid, name=name)

    # Stopping

    async def _stop(self, command: StopDuplicateStream, effort: Effort) -> CommandAnswered:
        effort.went("nothing was started")
        while True:
            try:
                for leg, sid_or_name in await self._targets(command, effort):
                    await self._request_stop(leg, sid_or_name, effort)
                return _stop_answer(command, "done", effort)
            except NoTurn as ended:
                effort.waited(ended.trouble)
                return _stop_answer(command, "failed", effort)
            except TwilioError as error:
                effort.failed(error)
                verdict = verdict_on_stop(error.status, error.code)
                wait = wait_after(self._gate, error, verdict, effort)
            if wait is None or effort.patience() <= 0:
                return _stop_answer(command, "failed", effort)
            RETRIES.labels("stop", str(effort.code)).inc()
            await effort.rest(wait)

    async def _targets(
        self, command: StopDuplicateStream, effort: Effort
    ) -> Sequence[tuple[str, str]]:
        """Return the leg and the SID or name of each media stream that the command may mean."""
        remembered = self._knowledge.of(command)
        known = remembered or Known()
        call_sid = command.call_sid or known.call_sid
        stream_sid = command.stream_sid or known.stream_sid
        if call_sid and stream_sid:
            return [(call_sid, stream_sid)]
        legs = dict.fromkeys((*known.legs, *filter(None, [command.call_sid])))
        if not legs and remembered is None:
            # If it was started, then by another process. Its name follows from its leg, which is
            # one of those in the conference.
            participants = await self._legs.in_conference(effort)
            legs = dict.fromkeys(p.call_sid for p in participants)
        return [
            (leg, stream_name(command.task_sid, leg, command.generation))
            for leg in legs
            if leg not in known.refused
        ]

    async def _request_stop(self, leg: str, sid_or_name: str, effort: Effort) -> None:
        async def request() -> None:
            effort.attempts += 1
            await self._api.stop_stream(leg, sid_or_name)

        try:
            await self._gate.ask(effort, request)
        except TwilioError as error:
            if verdict_on_stop(error.status, error.code) is not ErrorVerdict.DONE:
                raise
            effort.went("gone already")
        else:
            effort.went("stopped")


def _stop_answer(command: StopDuplicateStream, outcome: str, effort: Effort) -> CommandAnswered:
    return effort.answer(
        outcome, call_sid=command.call_sid, stream_sid=command.stream_sid, name=command.name
    )
