"""Calls that the account places by REST, with inline TwiML, and the account's numbers.

It is as strict as Twilio: a number that is missing, invalid or another account's is refused with
Twilio's code. The numbers of Twilio's test credentials have the same meaning. A called phone rings
for a while, is answered, plays the document (`Say`, `Pause`), and hangs up at its end.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from xml.etree import ElementTree as ET

from simulator.audio import Voice
from simulator.events import rfc2822
from simulator.media import clock
from simulator.script import Json, LegStatus, Line, Sids
from simulator.world import ENDED, ApiError, World, WorldLeg, not_found

INVALID_TO: Mapping[str, tuple[int, str]] = {
    "+15005550001": (21217, "Phone number does not appear to be valid"),
    "+15005550002": (21214, "'To' phone number cannot be reached"),
    "+15005550003": (21215, "Account not authorized to call this number"),
    "+15005550004": (21216, "Account not allowed to call this number"),
}
UNANSWERED = "+15005550009"
BUSY = "+15005550010"
OWN_NUMBER = "+15005550006"
RING_S = 1.5
MAX_TWIML = 4000
SECONDS_A_WORD = 0.3
_E164 = re.compile(r"\+[1-9]\d{6,14}")

Begin = Callable[[Coroutine[Any, Any, None]], object]


@dataclass(slots=True)
class ApiCall:
    """A call that was placed. `program`: the voices to play, each with its duration in seconds."""

    leg: WorldLeg
    to: str
    caller: str
    program: list[tuple[Voice, float]]
    status: str = "queued"
    answered_at: int | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self) -> Voice:
        """Return the voice that the called party hears now."""
        seconds = (clock() - (self.answered_at or clock())) / 1000
        ends = accumulate(length for _, length in self.program)
        lines = zip(self.program, ends, strict=True)
        return next((voice for (voice, _), end in lines if seconds < end), Voice.SILENCE)


class PlacedCalls:
    """The account's calls and numbers."""

    def __init__(self, world: World, sids: Sids, numbers: tuple[str, ...] = (OWN_NUMBER,)) -> None:
        self._world, self._sids = world, sids
        self.numbers = numbers
        self.calls: dict[str, ApiCall] = {}

    def place(self, form: Mapping[str, str], begin: Begin) -> ApiCall:
        """Place a call. `begin` runs its coroutine in the background. Raise `ApiError`."""
        to, caller = form.get("To", ""), form.get("From", "")
        self._check_numbers(to, caller)
        for name in ("Timeout", "TimeLimit"):
            if not form.get(name, "60").isdecimal():
                raise ApiError(400, 20001, f"Invalid {name}: {form[name]!r}")
        twiml = form.get("Twiml", "")
        if not twiml:
            raise ApiError(400, 21205, "Url parameter is required")
        if len(twiml) > MAX_TWIML:
            raise ApiError(400, 21620, "Twiml is too long")
        sid = self._sids.new("CA")
        leg = self._world.legs[sid] = WorldLeg(sid, LegStatus.RINGING, sid, Line(), clock())
        call = self.calls[sid] = ApiCall(leg, to, caller, program_of(twiml))
        self._world.monologues[sid] = call.heard
        limit = min(int(form.get("TimeLimit", "14400")), 14_400)
        begin(self._play(call, int(form.get("Timeout", "60")), limit))
        return call

    def end(self, call_sid: str, status: str) -> ApiCall:
        """End a call, `completed` or `canceled`. Raise `ApiError`."""
        if (call := self.calls.get(call_sid)) is None:
            raise not_found(f"/Calls/{call_sid}.json")
        if status not in ("completed", "canceled"):
            raise ApiError(400, 21218, f"Invalid Status: {status!r}")
        if call.leg.status in ENDED:
            raise ApiError(400, 21220, "Call is not in-progress. Cannot redirect.")
        if status == "completed" or call.leg.status is LegStatus.RINGING:
            _finish(call, "completed" if call.answered_at else "canceled")
        return call

    def _check_numbers(self, to: str, caller: str) -> None:
        if not to:
            raise ApiError(400, 21201, "No 'To' number is specified")
        if not caller:
            raise ApiError(400, 21213, "No 'From' number is specified")
        if to in INVALID_TO:
            raise ApiError(400, *INVALID_TO[to])
        if not _E164.fullmatch(to):
            raise ApiError(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if not _E164.fullmatch(caller):
            raise ApiError(400, 21212, f"Invalid 'From' Phone Number: {caller}")
        if caller not in self.numbers:
            raise ApiError(400, 21210, f"'From' phone number not verified: {caller}")

    async def _play(self, call: ApiCall, timeout: int, limit: int) -> None:
        call.status = "ringing"
        if call.to == BUSY:
            return _finish(call, "busy")
        if await _passed(call, timeout if call.to == UNANSWERED else RING_S):
            return None
        if call.to == UNANSWERED:
            return _finish(call, "no-answer")
        call.leg.status, call.status, call.answered_at = (
            LegStatus.IN_PROGRESS, "in-progress", clock(),
        )  # fmt: skip
        if not await _passed(call, min(limit, sum(length for _, length in call.program))):
            _finish(call, "completed")
        return None


async def _passed(call: ApiCall, seconds: float) -> bool:
    """Return whether the call ended within the time."""
    try:
        async with asyncio.timeout(seconds):
            await call.over.wait()
    except TimeoutError:
        return False
    return True


def _finish(call: ApiCall, status: str) -> None:
    call.status, call.leg.ended_at = status, clock()
    call.leg.status = LegStatus.COMPLETED if call.answered_at else LegStatus.NO_ANSWER
    call.over.set()


def program_of(twiml: str) -> list[tuple[Voice, float]]:
    """Return the voices that a TwiML document plays, each with its duration in seconds; [] if the
    document is invalid."""
    try:
        root = ET.fromstring(twiml)  # noqa: S314 - written by this machine's own program
    except ET.ParseError:
        return []
    program: list[tuple[Voice, float]] = []
    for verb in root if root.tag == "Response" else ():
        if verb.tag == "Say":
            words = len((verb.text or "").split())
            program.append((Voice.HOLD_MUSIC, words * SECONDS_A_WORD))
        elif verb.tag == "Pause":
            program.append((Voice.SILENCE, float(verb.get("length", "1"))))
        else:
            break
    return program


def call_of(call: ApiCall, account_sid: str) -> Json:
    """Return the call as the REST API shows it."""
    ended_at, answered_at = call.leg.ended_at, call.answered_at
    lasted = None if ended_at is None else (ended_at - (answered_at or ended_at)) // 1000
    return {
        "sid": call.leg.sid,
        "account_sid": account_sid,
        "to": call.to,
        "from": call.caller,
        "status": call.status,
        "direction": "outbound-api",
        "start_time": None if answered_at is None else rfc2822(answered_at),
        "end_time": None if ended_at is None else rfc2822(ended_at),
        "duration": None if lasted is None else str(lasted),
        "price": None,
        "uri": f"/2010-04-01/Accounts/{account_sid}/Calls/{call.leg.sid}.json",
    }


def number_of(number: str, account_sid: str) -> Json:
    """Return a number of the account as the REST API shows it."""
    sid = "PN" + f"{int(number[1:]):032x}"
    return {
        "sid": sid,
        "account_sid": account_sid,
        "phone_number": number,
        "capabilities": {"voice": True, "sms": True, "mms": False, "fax": False},
        "uri": f"/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers/{sid}.json",
    }
