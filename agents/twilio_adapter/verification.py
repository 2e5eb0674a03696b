"""Asks Twilio whether a leg that is streamed belongs to the call.

Only the Conference API is asked: the task's own conference, and those of other tasks that name the
leg. What cannot be found out is answered `unknown`; whether and when it is asked again, the stream
manager decides (`pipeline/streams/verification.py`).
"""

from collections.abc import Sequence

from agents.twilio_adapter.attempt import Effort
from agents.twilio_adapter.client import TwilioError
from agents.twilio_adapter.leg_lookup import Legs
from agents.twilio_adapter.turns import NoTurn
from pipeline.streams.marks import Participant
from pipeline.streams.verification import CONFIRMED, CONTRADICTED, UNKNOWN
from pipeline.twilio.sids import SidKind, valid_sid
from schemas.records import CommandAnswered, VerifyLeg

MAX_OTHER_TASKS = 4


class LegVerifier:
    """Answers `VerifyLeg`."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs

    async def verify(self, command: VerifyLeg, effort: Effort) -> CommandAnswered:
        """Return the answer: `confirmed`, `contradicted` or `unknown`."""
        try:
            outcome = await self._result(command, effort)
        except NoTurn as ended:
            effort.waited(ended.trouble)
            outcome = UNKNOWN
        except TwilioError as error:
            effort.failed(error)
            outcome = UNKNOWN
        return effort.answer(outcome, call_sid=command.call_sid)

    async def _result(self, command: VerifyLeg, effort: Effort) -> str:
        if not _is_valid(command):
            effort.went("a SID in the command has the wrong form")
            return UNKNOWN
        present = await self._legs.in_conference(effort)
        if _lists(present, command.call_sid):
            effort.went("the task's conference lists the leg")
            return CONFIRMED
        # A lone leg may be an agent's, who is there before the customer.
        if len(present) > 1 and isinstance(
            other := await self._legs.surely_customers(command, present, effort), str
        ):
            effort.went(f"the customer in the task's conference is {other}")
            return CONTRADICTED
        for task_sid in command.other_task_sids[:MAX_OTHER_TASKS]:
            if _lists(await self._legs.in_conference(effort, task_sid), command.call_sid):
                effort.went(f"the conference of task {task_sid} lists the leg")
                return CONTRADICTED
        effort.went("no conference lists the leg")
        return UNKNOWN


def _lists(participants: Sequence[Participant], call_sid: str) -> bool:
    return any(p.call_sid == call_sid and not p.coaching for p in participants)


def _is_valid(command: VerifyLeg) -> bool:
    tasks = (command.task_sid, *command.other_task_sids)
    is_leg = valid_sid(SidKind.CALL, command.call_sid) is not None
    return is_leg and all(valid_sid(SidKind.TASK, task) for task in tasks)
