"""Finds the customer's leg of a call by Twilio's Conference API, where no event told it."""

from collections.abc import Sequence
from typing import Protocol

from agents.twilio_client import TwilioError
from agents.twilio_effort import Effort, Remembered
from agents.twilio_gate import Gate
from pipeline.streams.errors import Verdict, verdict_on_start
from pipeline.streams.marks import NoLeg, Participant, customer_leg, has_worker_end, newest
from schemas.records import StartDuplicateStream, VerifyLeg


class ConferenceApi(Protocol):
    """The part of Twilio's API that is used: see `twilio_client.TwilioApi`."""

    async def conferences(self, friendly_name: str) -> list[str]: ...
    async def participants(self, conference_sid: str) -> list[Participant]: ...
    async def parties(self, call_sid: str) -> tuple[str, ...]: ...


class Legs:
    """Looks legs up. Each function raises `TwilioError` and `NoTurn`."""

    def __init__(self, api: ConferenceApi, gate: Gate) -> None:
        self._api = api
        self._gate = gate
        self._ends_of: Remembered[str, tuple[str, ...]] = Remembered()

    async def in_conference(self, effort: Effort, task_sid: str = "") -> list[Participant]:
        """All who are in the task's conference now; without a task, in that of the command's."""
        return await self._present(effort, await self.conferences(effort, task_sid))

    async def conferences(self, effort: Effort, task_sid: str = "") -> list[str]:
        """Return the SIDs of the conferences in progress of the task; without a task, of the
        command's."""
        task_sid = task_sid or effort.command.task_sid
        effort.attempts += 1
        return await self._gate.ask(effort, lambda: self._api.conferences(task_sid))

    async def of_customer(self, command: StartDuplicateStream, effort: Effort) -> str | NoLeg:
        """The call SID of the customer's leg, or why there is none."""
        conferences = await self.conferences(effort)
        if not conferences:
            return NoLeg.NO_CONFERENCE
        participants = await self._present(effort, conferences)
        leg, of_workers = await self._marked(command, participants, effort)
        if leg is NoLeg.AMBIGUOUS and command.direction == "outbound":
            # Who calls out is there before whom he calls. Of an inbound call an event will tell.
            leg = newest(participants, of_workers)
        return leg if isinstance(leg, NoLeg) else leg.call_sid

    async def surely_customers(
        self, command: VerifyLeg, participants: Sequence[Participant], effort: Effort
    ) -> str | NoLeg:
        """The call SID of the leg among these that is certainly the customer's, or why there is
        none."""
        leg, _ = await self._marked(command, participants, effort)
        return leg if isinstance(leg, NoLeg) else leg.call_sid

    async def _marked(
        self,
        command: StartDuplicateStream | VerifyLeg,
        participants: Sequence[Participant],
        effort: Effort,
    ) -> tuple[Participant | NoLeg, set[str]]:
        """The customer's leg by its marks, or why there is none, and the marks of workers."""
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
        return leg, of_workers

    async def _present(self, effort: Effort, conferences: Sequence[str]) -> list[Participant]:
        found: list[Participant] = []
        for conference in conferences:
            effort.attempts += 1
            found += await self._ask_participants(effort, conference)
        return found

    async def _ask_participants(self, effort: Effort, conference: str) -> list[Participant]:
        return await self._gate.ask(effort, lambda: self._api.participants(conference))

    async def _ends(self, call_sid: str, effort: Effort) -> tuple[str, ...]:
        known = self._ends_of.get(call_sid)
        if known is None:
            effort.attempts += 1
            try:
                ends = await self._gate.ask(effort, lambda: self._api.parties(call_sid))
                known = tuple(end.lower() for end in ends)
            except TwilioError as error:
                if verdict_on_start(error.status, error.code) is not Verdict.LOOK_UP_AGAIN:
                    raise
                known = ()
            self._ends_of.put(call_sid, known)
        return known
