"""The course of a test call: place it, stream it, observe it, hang up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from cli.check_call.account import RING_S, CheckApi, PlacedCall, answered
from cli.check_call.observations import Answer, Observations
from cli.check_call.tap import Tap
from pipeline.runtime.twilio_http import TwilioError
from pipeline.streams.names import stream_name

POLL_S = 0.4
ANSWER_S = RING_S + 15.0
OPEN_S = 8.0
SECOND_S = 2.0
FREED_S = 0.5
CLOSE_S = 16.0
"""A gateway ends the media stream of a test call that is silent for 12 s."""
REPORTED_WITHIN_S = 3.0
DOCUMENT_S = 60.0
OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
RINGING, IN_PROGRESS = "ringing", "in-progress"
BEFORE_ANSWER = 9
"""The generation of the start that is tried before the call is answered."""

Say = Callable[[str], None]


class CallFailed(Exception):
    """The test call failed. The text gives the reason."""


class CheckCall:
    """One test call. `public_url`: of the gateway; `now`: the log's clock, ms; `say` gets a line
    for each step."""

    def __init__(
        self,
        api: CheckApi,
        tap: Tap,
        seen: Observations,
        task_sid: str,
        public_url: str,
        *,
        now: Callable[[], int],
        say: Say,
    ) -> None:
        self._api, self._tap, self._seen = api, tap, seen
        self._task_sid, self._public_url = task_sid, public_url
        self._now, self._say = now, say
        self._call_sid = ""
        self._status = ""

    async def run(self, to: str, caller: str) -> None:
        """Place the call and carry out the test. Raise `CallFailed` and `TwilioError`. The call is
        ended in any case."""
        placed = await self._placed(to, caller)
        self._call_sid, self._status = placed.sid, placed.status
        try:
            self._say(f"placed the call {placed.sid}")
            await self._look_at_pages()
            await self._until_answered()
            await self._stream()
            await self._until_over()
            await self._after_call()
        finally:
            await asyncio.shield(self._ended(placed))

    async def _placed(self, to: str, caller: str) -> PlacedCall:
        """Place the call, and end it if this is cancelled meanwhile."""
        placing = asyncio.ensure_future(self._api.place_call(to, caller))
        try:
            return await asyncio.shield(placing)
        except asyncio.CancelledError:
            with suppress(TwilioError):
                await self._ended(await placing)
            raise

    @property
    def call_sid(self) -> str:
        """The call's SID; empty before it was placed."""
        return self._call_sid

    async def _ended(self, placed: PlacedCall) -> None:
        if self._status not in OVER:
            with suppress(TwilioError, TimeoutError):
                await self._api.hang_up(placed.sid)
                self._say("hung up")

    async def _look_at_pages(self) -> None:
        with suppress(TwilioError):
            self._seen.next_page_uri = await self._api.next_page_uri()

    async def _until_answered(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                while self._status != IN_PROGRESS:
                    if self._status in OVER:
                        raise CallFailed(f"the call was not answered: {self._status}")
                    if self._status == RINGING and self._seen.while_ringing is None:
                        await self._try_while_ringing()
                    await asyncio.sleep(POLL_S)
                    self._status = await self._api.status_of(self._call_sid)
        except TimeoutError:
            raise CallFailed(f"the call was not answered within {ANSWER_S:.0f} s") from None
        self._say("the call is answered")

    async def _try_while_ringing(self) -> None:
        answer = await self._started(BEFORE_ANSWER)
        # The answer is useful only if the call was still ringing.
        self._status = await self._api.status_of(self._call_sid)
        if self._status == RINGING or not answer.is_success:
            self._seen.while_ringing = answer
        if answer.is_success:
            await self._stopped(BEFORE_ANSWER, answer)

    async def _stream(self) -> None:
        """Start the first media stream, and test which further ones Twilio accepts beside it."""
        seen = self._seen
        seen.first = await self._started(1)
        if not seen.first.is_success:
            return
        if not await self._tap.until(lambda: bool(seen.opened_first()), OPEN_S):
            return
        self._say("the media stream reached a gateway")
        seen.same_name = await self._started(1)
        if seen.same_name.is_success and seen.same_name.sid != seen.first.sid:
            await self._stopped(1, seen.same_name)
            await asyncio.sleep(FREED_S)
        seen.second = await self._started(2)
        if seen.second.is_success:
            seen.third = await self._started(3)
            if seen.third.is_success:
                await self._stopped(3, seen.third)
            await asyncio.sleep(SECOND_S)
            seen.stop_of_second = await self._stopped(2, seen.second)

    async def _until_over(self) -> None:
        """Wait for the document's end, and hang up if it takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DOCUMENT_S):
                while self._status not in OVER:
                    await asyncio.sleep(POLL_S)
                    self._status = await self._api.status_of(self._call_sid)
        if self._status not in OVER:
            await self._api.hang_up(self._call_sid)
            self._status = "completed"
        self._seen.ended_at = self._now()
        self._say("the call is over")

    async def _after_call(self) -> None:
        seen = self._seen
        if seen.first is None or not seen.first.is_success:
            return
        await self._tap.until(self._is_closed, CLOSE_S)
        seen.stop_after_end = await self._stopped(1, seen.first)
        await self._tap.until(lambda: len(seen.observed) >= len(seen.closed) > 0, REPORTED_WITHIN_S)

    def _is_closed(self) -> bool:
        return len(self._seen.closed) >= len(self._seen.opened)

    async def _started(self, generation: int) -> Answer:
        name = stream_name(self._task_sid, self._call_sid, generation)
        parameters = {
            "taskSid": self._task_sid,
            "callSid": self._call_sid,
            "generation": str(generation),
            "name": name,
        }
        return await answered(
            lambda: self._api.start_stream(self._call_sid, name, self._public_url, parameters),
            self._now,
        )

    async def _stopped(self, generation: int, started: Answer) -> Answer:
        name = started.sid or stream_name(self._task_sid, self._call_sid, generation)

        def stop() -> Awaitable[None]:
            return self._api.stop_stream(self._call_sid, name)

        return await answered(stop, self._now)
