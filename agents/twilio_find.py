"""Asks Twilio whether it lists a conference for a task. When it is asked again, the stream manager
decides (`pipeline/streams/conference_search.py`)."""

from agents.twilio_client import TwilioError
from agents.twilio_effort import Effort
from agents.twilio_gate import Gate
from agents.twilio_legs import Legs
from agents.twilio_turns import NoTurn
from agents.twilio_waits import wait_after
from pipeline.streams.answers import LISTED, NO_CONFERENCE
from pipeline.streams.errors import verdict_on_start
from pipeline.streams.marks import NoLeg
from pipeline.streams.verification import UNKNOWN
from schemas.records import CommandAnswered


class ConferenceFinder:
    """Answers `FindConference`."""

    def __init__(self, legs: Legs, gate: Gate) -> None:
        self._legs = legs
        self._gate = gate

    async def find(self, effort: Effort) -> CommandAnswered:
        """Ask whether Twilio lists a conference, until it says so or the question expires."""
        wait: float | None = 0.0
        while wait is not None and effort.patience() > 0:
            try:
                is_listed = bool(await self._legs.conferences(effort))
            except NoTurn as ended:
                effort.waited(ended.trouble)
            except TwilioError as error:
                effort.failed(error)
                verdict = verdict_on_start(error.status, error.code)
                wait = wait_after(self._gate, error, verdict, effort)
                await effort.rest(wait or 0.0)
            else:
                effort.went("listed" if is_listed else NoLeg.NO_CONFERENCE.value)
                return effort.answer(LISTED if is_listed else NO_CONFERENCE)
        return effort.answer(UNKNOWN)
