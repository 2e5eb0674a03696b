"""The requests of a test call. Only this module places calls, and no role of the pipeline imports
it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import stamina

from agents.twilio_adapter.client import TwilioApi
from cli.check_call.observations import Answer
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.errors import TOO_MANY, ErrorVerdict, health_of_twilio
from pipeline.twilio.sids import SidKind, valid_sid

ATTEMPTS = 5
PAUSE_S = (0.3, 4.0)
RING_S = 40
LONGEST_CALL_S = 90
"""Twilio ends the call after this time (s), even if the command fails."""
TWIML = (
    "<Response><Say>This is a test call by flexcapture. The call is not recorded. "
    "Please stay on the line, say nothing, and do not hang up.</Say>"
    '<Pause length="8"/><Say>Thank you. The test is over now. Goodbye, until the next one.</Say>'
    "</Response>"
)
HANG_UP_S = 6.0


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call as Twilio shows it."""

    sid: str
    status: str


class CheckApi(TwilioApi):
    """The account's API with the requests that only a test call needs. All raise `TwilioError`,
    after requests that can be repeated were repeated."""

    async def own_numbers(self) -> list[str]:
        """Return the account's numbers that can call, at most one page of them."""
        uri = self._uri("IncomingPhoneNumbers")
        page = await self._patiently("numbers", "GET", uri, {"PageSize": "50"})
        found = page.get("incoming_phone_numbers")
        rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
        numbers = [str(row.get("phone_number", "")) for row in rows if _can_call(row)]
        return [number for number in numbers if number]

    async def next_page_uri(self) -> str:
        """Return the `next_page_uri` of the account's conferences, one a page; empty if there is no
        next page."""
        answer = await self._patiently("list", "GET", self._uri("Conferences"), {"PageSize": "1"})
        return str(answer.get("next_page_uri") or "")

    async def place_call(self, to: str, caller: str) -> PlacedCall:
        """Place the test call. The request is not repeated if Twilio may have accepted it."""
        form = {
            "To": to,
            "From": caller,
            "Twiml": TWIML,
            "Timeout": str(RING_S),
            "TimeLimit": str(LONGEST_CALL_S),
        }
        answer = await self._patiently("place", "POST", self._uri("Calls"), form, safe=False)
        sid = valid_sid(SidKind.CALL, answer.get("sid"))
        if sid is None:
            raise TwilioError(0, None, "the answer has no call SID")
        return PlacedCall(sid, str(answer.get("status", "")))

    async def status_of(self, call_sid: str) -> str:
        """Return the call's status."""
        answer = await self._patiently("call", "GET", self._uri("Calls", call_sid), {})
        return str(answer.get("status", ""))

    async def hang_up(self, call_sid: str) -> None:
        """End the call, if it is not over."""
        async with asyncio.timeout(HANG_UP_S):
            uri = self._uri("Calls", call_sid)
            await self._patiently("hang-up", "POST", uri, {"Status": "completed"})

    async def _patiently(
        self, request: str, method: str, uri: str, values: dict[str, str], *, safe: bool = True
    ) -> dict[str, Any]:
        """Send a request with retries. `safe`: it may be repeated even if Twilio may have carried
        it out."""
        answer: dict[str, Any] = {}
        async for attempt in stamina.retry_context(
            on=lambda error: _is_passing(error, safe=safe),
            attempts=ATTEMPTS,
            wait_initial=PAUSE_S[0],
            wait_max=PAUSE_S[1],
        ):
            with attempt:
                answer = await self._request(request, method, uri, values)
        return answer


async def answered(request: Callable[[], Awaitable[str | None]], now: Callable[[], int]) -> Answer:
    """Return Twilio's answer to a start or stop, including errors. Repeat a request that Twilio
    throttled or failed to process."""
    for number in range(ATTEMPTS):
        try:
            return Answer(200, sid=await request(), at=now())
        except TwilioError as error:
            answer = Answer(error.status, error.code, error.message, at=now())
            if not _is_passing(error, safe=True) or number + 1 == ATTEMPTS:
                break
        await asyncio.sleep(PAUSE_S[0] * (number + 1))
    return answer


def _is_passing(error: Exception, *, safe: bool) -> bool:
    if not isinstance(error, TwilioError):
        return False
    if error.status in TOO_MANY or error.code in TOO_MANY:
        return True
    return safe and health_of_twilio(error.status, error.code) is ErrorVerdict.BACK_OFF


def _can_call(row: dict[str, Any]) -> bool:
    capabilities = row.get("capabilities")
    return not isinstance(capabilities, dict) or capabilities.get("voice") is not False
