"""Odd answers of Twilio, and failures that are repeated."""

import asyncio

import pytest

from pipeline.runtime.log_clock import machine_clock
from tests.agents.twilio_adapter.scene import (
    Scene,
    opened_scene,
    start_command,
)
from tests.agents.twilio_double import Reply

ODD_REPLIES = {
    "429 without a body": Reply(429),
    "429 with a wish": Reply(429, '{"code": 20429}', headers={"Retry-After": "0"}),
    "429 with a date": Reply(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    "503 in HTML": Reply(503, "<html>Service Unavailable</html>", "text/html"),
    "502 in no encoding": Reply(502, "\xff\xfe\x00", "text/html; charset=utf-8"),
    "500 with a list": Reply(500, "[1, 2]"),
    "500 with an odd code": Reply(500, '{"code": "x", "message": 5}'),
    "a reset": Reply(resets=True),
    "a reset after it was done": Reply(resets=True, does=True),
    "an error after it was done": Reply(500, does=True),
}


@pytest.mark.parametrize("what", ODD_REPLIES)
async def test_odd_failures_are_repeated(scene: Scene, what: str) -> None:
    """For any form of the answer: one media stream, and the command is done."""
    scene.twilio.failures.append(ODD_REPLIES[what])
    answer = await scene.does(start_command())

    assert ("done", 2) == (answer.outcome, answer.attempts)
    assert ["in-progress"] == [s["status"] for s in scene.twilio.streams.values()]


@pytest.mark.parametrize("text", ["", "<html>", "null", '{"sid": 7}'])
async def test_a_success_without_a_sid_counts(scene: Scene, text: str) -> None:
    """Twilio accepted it; the gateway shows whether the media stream runs."""
    scene.twilio.failures.append(Reply(200, text, does=True))
    answer = await scene.does(start_command())

    assert ("done", None, 1) == (answer.outcome, answer.stream_sid, answer.attempts)


async def test_twilios_wish_to_be_left_alone_is_granted(scene: Scene) -> None:
    """Retry-After is longer than the command is valid: no further request is sent."""
    scene.twilio.failures.append(Reply(429, headers={"Retry-After": "3600"}))
    answer = await scene.does(start_command(expires_at=machine_clock() + 1_500))

    assert ("expired", 429, 1) == (answer.outcome, answer.code, answer.attempts)


@pytest.mark.parametrize("conflict", [(409, None), (400, 21299), (422, None), None])
async def test_an_answer_that_came_too_late_is_asked_for_again_by_name(
    conflict: tuple[int, int | None] | None,
) -> None:
    """The first request took effect although its answer came too late. The second has the same
    name, and Twilio's refusal of it, in any form, means that the command is done. If Twilio starts
    another media stream instead, its SID is the answer, and the first is a surplus that a gateway
    reports."""
    too_late = asyncio.Event()
    async with opened_scene(timeout_s=0.2) as scene:
        scene.twilio.conflict = conflict
        scene.twilio.failures.append(Reply(200, "{}", does=True, until=too_late))
        answer = await scene.does(start_command())
        too_late.set()
        last = list(scene.twilio.streams)[-1]

        assert ("done", 2) == (answer.outcome, answer.attempts)
        code = (conflict[1] or conflict[0]) if conflict else None
        assert answer.code == (None if code == 409 else code)  # other refusals may be genuine
        assert (None if conflict else last) == answer.stream_sid
        assert 1 == len({form["Name"] for _, form in scene.twilio.asked("start")})
        assert (1 if conflict else 2) == len(scene.twilio.streams)


async def test_a_request_that_is_wrong_by_itself_fails(scene: Scene) -> None:
    """A status of 400 for the first request is no conflict."""
    scene.twilio.failures.append((400, 21203))
    answer = await scene.does(start_command())

    assert ("failed", 21203, 1) == (answer.outcome, answer.code, answer.attempts)
