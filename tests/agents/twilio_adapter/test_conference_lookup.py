"""Whether Twilio lists a conference."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.runtime.log_clock import machine_clock
from pipeline.streams.marks import NoLeg
from pipeline.streams.names import find_command_id
from schemas.records import (
    FindConference,
)
from tests.agents.twilio_adapter.scene import TASK, Scene, start_command


def _find(attempt: int = 1) -> FindConference:
    now = machine_clock()
    return FindConference(find_command_id(TASK, attempt), TASK, 1, now, now + 10_000)


async def test_a_start_without_leg_and_conference_asks_once(scene: Scene) -> None:
    """There is nothing to wait for here: the stream manager asks again, ever more slowly."""
    answer = await scene.does(start_command(call_sid=None))
    assert ("no-conference", NoLeg.NO_CONFERENCE.value, 1) == (
        answer.outcome, answer.detail, answer.attempts,
    )  # fmt: skip
    assert 1 == len(scene.twilio.requests)


@pytest.mark.parametrize(("people", "outcome"), [(None, "no-conference"), ([], "listed")])
async def test_whether_there_is_a_conference_is_one_request(
    scene: Scene, people: list[dict[str, Any]] | None, outcome: str
) -> None:
    """And the same question again, after a restart of the stream manager, is none."""
    if people is not None:
        scene.twilio.conferences[TASK] = people
    for _ in range(2):
        answer = await scene.does(_find())
        assert ("find", outcome) == (answer.command, answer.outcome)
    assert [(TASK, "in-progress")] == [
        (task, form["Status"]) for task, form in scene.twilio.asked("conferences")
    ]
    assert 1 == len(scene.twilio.requests)


async def test_a_question_that_twilio_does_not_answer_is_asked_again(scene: Scene) -> None:
    """Until it expires. A refused one is not repeated here; of an expired one nothing is known."""
    scene.twilio.failures += [(503, None), (429, 20429)]
    assert "no-conference" == (await scene.does(_find())).outcome
    scene.twilio.failures.append((400, 20001))
    assert "failed" == (await scene.does(_find(2))).outcome
    scene.twilio.failures.append((404, 20404))
    assert "failed" == (await scene.does(_find(4))).outcome
    asked = len(scene.twilio.requests)
    late = replace(_find(3), expires_at=machine_clock() - 1)
    assert "unknown" == (await scene.does(late)).outcome
    assert asked == len(scene.twilio.requests)
