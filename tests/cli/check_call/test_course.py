"""The course of a test call: its steps, and that the call is always ended."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from cli.check_call.account import CheckApi, PlacedCall
from cli.check_call.course import (
    ANSWER_S,
    BEFORE_ANSWER,
    CLOSE_S,
    DOCUMENT_S,
    OPEN_S,
    CallFailed,
    CheckCall,
)
from cli.check_call.observations import Observations
from cli.check_call.tap import Tap
from pipeline.runtime.twilio_http import TwilioError
from simulator.placed import BUSY, OWN_NUMBER
from tests.cli.check_call.played import TASK, TO, Played
from tests.cli.check_call.usual import CALL, usual
from tests.virtual_time import virtual_ms, virtually


@pytest.mark.usefixtures("_quick")
async def test_a_call_that_is_not_answered_is_a_failure() -> None:
    """The reason is Twilio's; while it rings a start is tried."""
    async with Played() as played:
        with pytest.raises(CallFailed, match="busy"):
            await played.call.run(BUSY, OWN_NUMBER)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("after_s", [0.003, 0.1, 0.6])
async def test_whenever_it_is_stopped_the_call_is_ended(after_s: float) -> None:
    """While it is placed, while it rings, and while it is streamed."""
    async with Played() as played:
        running = asyncio.create_task(played.call.run(TO, OWN_NUMBER))
        await asyncio.sleep(after_s)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert set(played.statuses) <= {"completed", "canceled"}


class Twilio:
    """Twilio by the clock: the call rings after 1 s, is answered after `answered_s` and completed
    `talks_s` later. The call SID is placed at once. A media stream reaches the gateway after 0.5 s,
    if `reaches`, and closes with the call."""

    def __init__(self, seen: Observations) -> None:
        self.seen = seen
        self.answered_s, self.talks_s = 5.0, 15.0
        self.reaches = True
        self.refusal: TwilioError | None = None
        self.names: list[tuple[int, str]] = []
        self.stopped: list[str] = []
        self.hung_up = 0
        self._placed_at = 0.0

    @property
    def api(self) -> CheckApi:
        """As the client of Twilio's API."""
        return cast("CheckApi", self)

    async def place_call(self, *_: str) -> PlacedCall:
        self._placed_at = asyncio.get_running_loop().time()
        return PlacedCall(CALL, "queued")

    async def next_page_uri(self) -> str:
        return "/2010-04-01/x"

    async def status_of(self, _: str) -> str:
        after = asyncio.get_running_loop().time() - self._placed_at
        if self.hung_up or after > self.answered_s + self.talks_s:
            self.seen.closed += usual().closed[: len(self.seen.opened) - len(self.seen.closed)]
            return "completed"
        return "in-progress" if after > self.answered_s else "ringing" if after > 1 else "queued"

    async def start_stream(
        self, _: str, name: str, __: str, parameters: dict[str, str]
    ) -> str | None:
        generation = int(parameters["generation"])
        self.names.append((generation, name))
        if self.refusal is not None:
            raise self.refusal
        if generation == 1 and self.reaches and not self.seen.opened:
            opened = usual().opened
            asyncio.get_running_loop().call_later(0.5, self.seen.opened.extend, opened)
        return f"MZ{len(self.names):032x}"

    async def stop_stream(self, _: str, name: str) -> None:
        self.stopped.append(name)

    async def hang_up(self, _: str) -> None:
        self.hung_up += 1


class PollingTap:
    """Waits for observations."""

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        end = asyncio.get_running_loop().time() + seconds
        while not holds() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return holds()


def played(prepare: Callable[[Twilio], None]) -> tuple[Twilio, list[str], float]:
    """Play a test call. Return Twilio, the lines that were said, and the duration."""
    lines: list[str] = []

    async def run() -> tuple[Twilio, list[str], float]:
        seen = Observations()
        twilio = Twilio(seen)
        prepare(twilio)
        tap: Any = PollingTap()
        call = CheckCall(
            twilio.api, cast("Tap", tap), seen, TASK, "wss://x", now=virtual_ms, say=lines.append
        )
        began = asyncio.get_running_loop().time()
        await call.run(TO, OWN_NUMBER)
        return twilio, lines, asyncio.get_running_loop().time() - began

    return virtually(run())


def test_every_request_is_tried_once() -> None:
    """A start while it rings; then the first one, one under the same name, a second and a third
    media stream. The surplus ones are stopped at once, and the first one after the call."""
    twilio, lines, _ = played(lambda _: None)
    assert [BEFORE_ANSWER, 1, 1, 2, 3] == [generation for generation, _ in twilio.names]
    assert twilio.names[1] == twilio.names[2]
    sids = [f"MZ{n:032x}" for n in (1, 3, 5, 4, 2)]
    assert sids == twilio.stopped
    seen = twilio.seen
    assert None not in (
        seen.while_ringing, seen.first, seen.same_name, seen.second, seen.third,
        seen.stop_of_second, seen.stop_after_end, seen.next_page_uri, seen.ended_at,
    )  # fmt: skip
    assert ["the call is answered", "the media stream reached a gateway", "the call is over"] == (
        lines[1:4]
    )
    assert 0 == twilio.hung_up


def test_a_call_that_is_answered_at_once_shows_no_start_while_ringing() -> None:
    """Nothing is tried before the answer then."""
    twilio, _, _ = played(lambda t: setattr(t, "answered_s", 0.0))
    assert (None, 1) == (twilio.seen.while_ringing, twilio.names[0][0])


def test_a_refused_start_is_not_tried_further() -> None:
    """The call continues to its end: the command does not fail."""
    twilio, _, _ = played(lambda t: setattr(t, "refusal", TwilioError(400, 20001, "no")))
    assert [BEFORE_ANSWER, 1] == [generation for generation, _ in twilio.names]
    assert (None, None, []) == (twilio.seen.second, twilio.seen.stop_after_end, twilio.stopped)
    assert twilio.seen.ended_at is not None


def test_a_media_stream_that_reaches_no_gateway_ends_the_trial() -> None:
    """After some seconds. It is still stopped after the call."""
    twilio, lines, _ = played(lambda t: setattr(t, "reaches", False))
    assert [BEFORE_ANSWER, 1] == [generation for generation, _ in twilio.names]
    assert "the media stream reached a gateway" not in lines
    assert twilio.seen.stop_after_end is not None


def test_a_call_that_is_not_answered_in_time_is_hung_up() -> None:
    """The command fails, and says so."""
    made: list[Twilio] = []

    def prepare(twilio: Twilio) -> None:
        made.append(twilio)
        twilio.answered_s = 1_000.0

    with pytest.raises(CallFailed, match=f"within {ANSWER_S:.0f} s"):
        played(prepare)
    assert 1 == made[0].hung_up


def test_a_call_that_does_not_end_is_hung_up() -> None:
    """Long after the end of its document."""
    twilio, _, seconds = played(lambda t: setattr(t, "talks_s", 1_000.0))
    assert 1 == twilio.hung_up
    assert DOCUMENT_S < seconds < DOCUMENT_S + OPEN_S + 2 * CLOSE_S
