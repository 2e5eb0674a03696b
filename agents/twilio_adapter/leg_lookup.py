"""Find the customer's leg of a call by Twilio's Conference API, and the ends of legs by its Call
API, if no event named them."""

from collections.abc import Sequence
from typing import Protocol

from agents.twilio_adapter.attempt import Effort, Remembered
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.calls.ends import leg_ends
from pipeline.runtime.twilio_http import TwilioError
from pipeline.streams.marks import FetchedCall, NoLeg, Participant
from pipeline.streams.participants import customer_leg, marks_in, without_ends
from pipeline.twilio.errors import ErrorVerdict, verdict_on_start
from schemas.records import StartDuplicateStream, VerifyLeg


class ConferenceApi(Protocol):
    """The part of Twilio's API that lookups use: see `client.TwilioApi`."""

    async def conferences(self, friendly_name: str) -> list[str]: ...
    async def participants(self, conference_sid: str) -> list[Participant]: ...
    async def call(self, call_sid: str) -> FetchedCall: ...


class LegLookup:
    """Looks legs up. Each function raises `TwilioError` and `NoTurn`."""

    def __init__(self, api: ConferenceApi, gate: RequestGate) -> None:
        self._api = api
        self._gate = gate
        self._calls: Remembered[str, FetchedCall] = Remembered()

    async def in_conference(self, effort: Effort, task_sid: str = "") -> list[Participant]:
        """Return the participants of the task's conference now; without a task SID, of the
        command's task."""
        present = await self._present(effort, await self.conferences(effort, task_sid))
        if not task_sid:
            effort.listed(present)
        return present

    async def conferences(self, effort: Effort, task_sid: str = "") -> list[str]:
        """Return the SIDs of the conferences in progress of the task; without a task SID, of the
        command's task."""
        task_sid = task_sid or effort.command.task_sid
        effort.attempts += 1
        return await self._gate.ask(effort, lambda: self._api.conferences(task_sid))

    async def of_customer(self, command: StartDuplicateStream, effort: Effort) -> str | NoLeg:
        """Return the call SID of the customer's leg, or why there is none."""
        conferences = await self.conferences(effort)
        if not conferences:
            return NoLeg.NO_CONFERENCE
        present = await self._present(effort, conferences)
        effort.listed(present)
        return await self.among(command, present, effort)

    async def among(
        self,
        command: StartDuplicateStream | VerifyLeg,
        participants: Sequence[Participant],
        effort: Effort,
    ) -> str | NoLeg:
        """Return the call SID of the customer's leg among these, or why there is none."""
        marks = marks_in(command)
        ends = {}
        for call_sid in without_ends(participants, marks):
            fetched = await self.call(call_sid, effort)
            ends[call_sid] = leg_ends(fetched.calling, fetched.called, fetched.direction)
        leg = customer_leg(participants, marks, ends)
        return leg if isinstance(leg, NoLeg) else leg.call_sid

    async def _present(self, effort: Effort, conferences: Sequence[str]) -> list[Participant]:
        found: list[Participant] = []
        for conference in conferences:
            effort.attempts += 1
            found += await self._ask_participants(effort, conference)
        return found

    async def call(self, call_sid: str, effort: Effort) -> FetchedCall:
        """Return the ends of a leg, which never change. They are empty if Twilio does not know the
        leg."""
        known = self._calls.get(call_sid)
        if known is None:
            effort.attempts += 1
            try:
                known = await self._gate.ask(effort, lambda: self._api.call(call_sid))
            except TwilioError as error:
                if verdict_on_start(error.status, error.code) is not ErrorVerdict.LOOK_UP_AGAIN:
                    raise
                return FetchedCall()
            self._calls.put(call_sid, known)
        return known

    async def _ask_participants(self, effort: Effort, conference: str) -> list[Participant]:
        return await self._gate.ask(effort, lambda: self._api.participants(conference))
