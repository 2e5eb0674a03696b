"""Ask Twilio whether it lists a conference for a task. The stream manager decides when to ask again
(`pipeline/streams/conference_search.py`)."""

from agents.twilio_adapter.attempt import Effort
from agents.twilio_adapter.leg_lookup import LegLookup
from agents.twilio_adapter.request_gate import RequestGate
from agents.twilio_adapter.turns import NoTurn
from agents.twilio_adapter.waits import wait_after
from pipeline.runtime.twilio_http import TwilioError
from pipeline.streams.command_results import FIND_FAILED, LISTED, NO_CONFERENCE
from pipeline.streams.marks import NoLeg
from pipeline.twilio.errors import ErrorVerdict, verdict_on_start
from schemas.records import CommandAnswered
from schemas.states import LegResult


class ConferenceFinder:
    """Answers `FindConference`."""

    def __init__(self, legs: LegLookup, gate: RequestGate) -> None:
        self._legs = legs
        self._gate = gate

    async def find(self, effort: Effort) -> CommandAnswered:
        """Ask whether Twilio lists a conference. Repeat the request while it fails, until the
        command expires."""
        while effort.patience() > 0:
            try:
                is_listed = bool(await self._legs.conferences(effort))
            except NoTurn as ended:
                effort.waited(ended.trouble)
            except TwilioError as error:
                effort.failed(error)
                wait = self._wait_after(error, effort)
                if wait is None:
                    return effort.answer(FIND_FAILED)
                await effort.rest(wait)
            else:
                effort.went("listed" if is_listed else NoLeg.NO_CONFERENCE.value)
                return effort.answer(LISTED if is_listed else NO_CONFERENCE)
        return effort.answer(LegResult.UNKNOWN)

    def _wait_after(self, error: TwilioError, effort: Effort) -> float | None:
        verdict = verdict_on_start(error.status, error.code)
        is_trouble = verdict in (ErrorVerdict.BACK_OFF, ErrorVerdict.REFUSED)
        return wait_after(self._gate, error, verdict, effort) if is_trouble else None
