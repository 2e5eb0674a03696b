"""Callbacks of media streams and conferences."""

from dataclasses import replace

import pytest

from pipeline.calls.events import Silent, delta
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    T0,
    TASK,
    Story,
    inbound,
    leg_sid,
    stream_sid,
)
from tests.pipeline.calls.replay import folded


def test_a_stream_callback_describes_its_media_stream_and_no_leg() -> None:
    """A leg that belongs to a participant already, or to none, makes no new participant."""
    story = inbound().stream_status("started", 3_000, stream_sid("1"), leg_sid("x"))
    story.stream_status("error", 9_000, stream_sid("1"), leg_sid("x"), StreamError="31930")
    created, *callbacks = story.events

    call = folded([created, *(replace(e, task_sid=TASK) for e in callbacks)])

    [stream] = call.media_streams
    assert {"started": T0 + 3_000, "error": T0 + 9_000} == stream.milestones
    facts = {name: fact.value for name, fact in stream.facts.items()}
    assert {
        "call_sid": leg_sid("x"),
        "name": "n",
        "status": "error",
        "error": "31930",
    } == facts
    assert [CUSTOMER_LEG] == [leg.call_sid for leg in call.legs]


def test_a_stream_callback_without_fields_sets_no_facts() -> None:
    """An unknown StreamEvent is no status; without a SID there is no media stream."""
    story = Story().stream_status("painted", 3_000, stream_sid("1"), leg_sid("x"), StreamName=None)
    story.stream_status("started", 3_000, "", leg_sid("x"))
    odd, nameless = (replace(e, task_sid=TASK) for e in story.events)

    [stream] = folded([odd]).media_streams

    assert {"call_sid"} == set(stream.facts)
    assert {} == stream.milestones
    assert Silent("no-party") == delta(nameless)


def test_a_leg_in_another_conference_says_nothing() -> None:
    """The resolver knows the leg; but its events in a conference of another name do not belong to
    the call."""
    [left] = Story().participant("leave", 5_000, CUSTOMER_LEG, FriendlyName="consultation").events
    [unnamed] = Story().participant("leave", 5_000, CUSTOMER_LEG, FriendlyName=None).events

    assert Silent("other-conference") == delta(replace(left, task_sid=TASK))
    assert CUSTOMER_LEG == folded([replace(unnamed, task_sid=TASK)]).legs[0].call_sid


def test_a_participant_with_its_ends_is_identified_by_them() -> None:
    """Twilio's callbacks do not have the ends; events that are added from its lists do."""
    call = folded(
        Story()
        .participant("join", 5_000, leg_sid("x"), From="+15550001", To="+1555", Direction="inbound")
        .events
    )
    [leg] = call.legs
    assert {"from": "+15550001", "to": "+1555", "call_direction": "inbound"} == {
        name: leg.facts[name].value for name in ("from", "to", "call_direction")
    }


@pytest.mark.parametrize(
    ("step", "status", "milestones"),
    [
        ("ringing", "ringing", {}),
        ("answered", "", {"answered": T0 + 5_000}),
        ("ringing", "in-progress", {"answered": T0 + 5_000}),
        ("answered", "Completed", {"completed": T0 + 5_000}),
        ("completed", "", {"completed": T0 + 5_000}),
    ],
)
def test_step_or_status_shows_that_a_call_was_answered_or_is_over(
    step: str, status: str, milestones: dict[str, int]
) -> None:
    """Either of them is enough; a status that ends the call outranks the step."""
    events = Story().call_status(step, 5_000, leg_sid("x"), CallStatus=status).events
    [leg] = folded(events).legs
    assert milestones == leg.milestones
    assert (status.lower() or step) == leg.facts["call_status"].value


@pytest.mark.parametrize(
    ("step", "flags", "facts"),
    [
        ("join", {}, {"presence": "joined"}),
        (
            "join",
            {"Hold": "true", "Muted": "True"},
            {"presence": "joined", "hold": "true", "joined_muted": "true"},
        ),
        (
            "join",
            {"Hold": "false", "Muted": "false"},
            {"presence": "joined", "joined_muted": "false"},
        ),
        ("unhold", {"Hold": "true", "Muted": "true"}, {"hold": "false"}),
        ("mute", {"Muted": "false"}, {"muted": "true"}),
        ("leave", {"Hold": "true"}, {"presence": "left"}),
    ],
)
def test_a_participants_flags_count_only_when_it_joins(
    step: str, flags: dict[str, str], facts: dict[str, str]
) -> None:
    """Later callbacks state hold and mute by their step."""
    [leg] = folded(Story().participant(step, 5_000, leg_sid("x"), **flags).events).legs
    assert facts == {name: fact.value for name, fact in leg.facts.items()}
