"""Calls that the account places are refused as by Twilio, ring, are answered, and end."""

import asyncio
from random import Random

import pytest

from simulator import placed
from simulator.audio import Voice
from simulator.placed import (
    BUSY,
    OWN_NUMBER,
    UNANSWERED,
    ApiCall,
    PlacedCalls,
    call_of,
    number_of,
    program_of,
)
from simulator.script import LegStatus, Sids
from simulator.world import ApiError, World

TWIML = '<Response><Say>one two</Say><Pause length="2"/><Say>three</Say></Response>'
FORM = {"To": "+15550100200", "From": OWN_NUMBER, "Twiml": TWIML}


def _calls() -> PlacedCalls:
    return PlacedCalls(World(Sids(Random(1))), Sids(Random(2)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": ""}, 21201),
        ({"From": ""}, 21213),
        ({"To": "555"}, 21211),
        ({"To": "+15005550001"}, 21217),
        ({"To": "+15005550003"}, 21215),
        ({"From": "name"}, 21212),
        ({"From": "+15550100999"}, 21210),
        ({"Twiml": ""}, 21205),
        ({"Twiml": "x" * 4001}, 21620),
        ({"TimeLimit": "soon"}, 20001),
    ],
)
def test_wrong_requests_are_refused(change: dict[str, str], code: int) -> None:
    """Numbers that are missing, wrong or another account's, and documents: with Twilio's code."""
    with pytest.raises(ApiError) as refused:
        _calls().place(FORM | change, lambda course: course.close())
    assert (400, code) == (refused.value.status, refused.value.code)


def test_a_document_is_a_program() -> None:
    """Speech and silence last as long as they say; an unreadable one is over at once."""
    voices = [(voice, round(seconds, 1)) for voice, seconds in program_of(TWIML)]
    assert [(Voice.HOLD_MUSIC, 0.6), (Voice.SILENCE, 2.0), (Voice.HOLD_MUSIC, 0.3)] == voices
    assert [] == program_of("<Response>")


async def _placed(to: str, **form: str) -> tuple[PlacedCalls, ApiCall]:
    calls = _calls()
    async with asyncio.TaskGroup() as group:
        call = calls.place(FORM | {"To": to} | form, group.create_task)
        assert "queued" == call.status
    return calls, call


async def test_a_call_is_answered_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It rings, is in progress for as long as its document, and is completed; then it cannot be
    ended again."""
    monkeypatch.setattr(placed, "RING_S", 0.05)
    monkeypatch.setattr(placed, "SECONDS_A_WORD", 0.02)
    calls, call = await _placed("+15550100200", Twiml="<Response><Say>one two</Say></Response>")
    assert ("completed", LegStatus.COMPLETED) == (call.status, call.leg.status)
    shown = call_of(call, "AC1")
    assert ("0", "outbound-api") == (shown["duration"], shown["direction"])
    with pytest.raises(ApiError, match="21220"):
        calls.end(call.leg.sid, "completed")
    with pytest.raises(ApiError, match="20404"):
        calls.end("CA" + "9" * 32, "completed")


@pytest.mark.parametrize(("to", "status"), [(BUSY, "busy"), (UNANSWERED, "no-answer")])
async def test_a_call_is_not_answered(to: str, status: str) -> None:
    """It is busy, or rings until the time-out."""
    _, call = await _placed(to, Timeout="0")
    assert (status, LegStatus.NO_ANSWER) == (call.status, call.leg.status)


async def test_a_call_is_ended() -> None:
    """A call that rings is canceled, for `completed` too; another status is refused."""
    calls = _calls()
    async with asyncio.TaskGroup() as group:
        call = calls.place(FORM, group.create_task)
        await asyncio.sleep(0)
        with pytest.raises(ApiError, match="21218"):
            calls.end(call.leg.sid, "paused")
        calls.end(call.leg.sid, "completed")
    assert "canceled" == call.status


def test_numbers_are_listed() -> None:
    """A number has its SID and capabilities."""
    row = number_of(OWN_NUMBER, "AC1")
    assert (OWN_NUMBER, True) == (row["phone_number"], row["capabilities"]["voice"])
    assert row["sid"].startswith("PN")
