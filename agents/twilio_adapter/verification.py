"""Ask Twilio about legs: whether a streamed leg belongs to the call, and the ends of a leg that no
event identifies.

To verify a leg, the participants of the task's conference are listed, and of the conferences of
other tasks that name the leg. The ends come from the Call API. If Twilio gives no answer, the
result is `unknown`. The stream manager decides whether and when to ask again
(`pipeline/streams/verification.py`, `identification.py`).
"""

from collections.abc import Sequence
from dataclasses import replace

from agents.twilio_adapter.attempt import Effort
from agents.twilio_adapter.leg_lookup import LegLookup
from agents.twilio_adapter.turns import NoTurn
from pipeline.calls.ends import leg_ends
from pipeline.runtime.twilio_http import TwilioError
from pipeline.streams.marks import FetchedCall, Participant
from pipeline.twilio.sids import SidKind, valid_sid
from schemas.records import CommandAnswered, FetchLeg, VerifyLeg
from schemas.states import LegResult

MAX_OTHER_TASKS = 4
FETCHED = "done"


class LegVerifier:
    """Answers `VerifyLeg`."""

    def __init__(self, legs: LegLookup) -> None:
        self._legs = legs

    async def verify(self, command: VerifyLeg, effort: Effort) -> CommandAnswered:
        """Return the answer: `confirmed`, `contradicted`, `moved` or `unknown`."""
        try:
            outcome = await self._result(command, effort)
        except NoTurn as ended:
            effort.waited(ended.trouble)
            outcome = LegResult.UNKNOWN
        except TwilioError as error:
            effort.failed(error)
            outcome = LegResult.UNKNOWN
        return effort.answer(outcome, call_sid=command.call_sid)

    async def _result(self, command: VerifyLeg, effort: Effort) -> LegResult:
        if not _is_valid(command):
            effort.went("a SID in the command has the wrong form")
            return LegResult.UNKNOWN
        present = await self._legs.in_conference(effort)
        if _lists(present, command.call_sid):
            effort.went("the task's conference lists the leg")
            return LegResult.CONFIRMED
        # A lone leg may be an agent's: the agent may join before the customer.
        if (
            not command.was_confirmed
            and len(present) > 1
            and isinstance(other := await self._legs.among(command, present, effort), str)
        ):
            effort.went(f"the customer in the task's conference is {other}")
            return LegResult.CONTRADICTED
        for task_sid in command.other_task_sids[:MAX_OTHER_TASKS]:
            if _lists(await self._legs.in_conference(effort, task_sid), command.call_sid):
                effort.went(f"the conference of task {task_sid} lists the leg")
                return LegResult.MOVED if command.was_confirmed else LegResult.CONTRADICTED
        effort.went("no conference lists the leg")
        return LegResult.UNKNOWN


class LegFetcher:
    """Answers `FetchLeg`."""

    def __init__(self, legs: LegLookup) -> None:
        self._legs = legs

    async def fetch(self, command: FetchLeg, effort: Effort) -> CommandAnswered:
        """Return the answer: `done` with the leg's ends, and its label if its ends are none of
        the call's, or `unknown`."""
        found, label = FetchedCall(), None
        try:
            if _has_valid_sids(command):
                found = await self._legs.call(command.call_sid, effort)
                label = await self._label(command, found, effort)
            else:
                effort.went("a SID in the command has the wrong form")
        except NoTurn as ended:
            effort.waited(ended.trouble)
        except TwilioError as error:
            effort.failed(error)
        outcome = FETCHED if label or found != FetchedCall() else LegResult.UNKNOWN
        return replace(
            effort.answer(outcome, call_sid=command.call_sid),
            call_from=found.calling,
            call_to=found.called,
            call_direction=found.direction,
            call_label=label,
        )

    async def _label(self, command: FetchLeg, found: FetchedCall, effort: Effort) -> str | None:
        ends = leg_ends(found.calling, found.called, found.direction)
        if ends.is_one_of(frozenset(command.known_ends)):
            return None
        present = await self._legs.in_conference(effort)
        return next((p.label for p in present if p.call_sid == command.call_sid and p.label), None)


def _has_valid_sids(command: FetchLeg) -> bool:
    is_leg = valid_sid(SidKind.CALL, command.call_sid) is not None
    return is_leg and valid_sid(SidKind.TASK, command.task_sid) is not None


def _lists(participants: Sequence[Participant], call_sid: str) -> bool:
    return any(p.call_sid == call_sid and not p.coaching for p in participants)


def _is_valid(command: VerifyLeg) -> bool:
    tasks = (command.task_sid, *command.other_task_sids)
    is_leg = valid_sid(SidKind.CALL, command.call_sid) is not None
    return is_leg and all(valid_sid(SidKind.TASK, task) for task in tasks)
