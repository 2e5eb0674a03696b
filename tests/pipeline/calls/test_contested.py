"""Which other tasks have a leg, and what shows it."""

from dataclasses import replace

from pipeline.calls.aliases import learned, taught
from pipeline.calls.contested import Contested, conference_signs, contested_legs
from pipeline.calls.lifetime import hear_contested
from schemas.records import Call, CallAliasState, LegContested
from tests.pipeline.calls.histories import CUSTOMER_LEG, T0, TASK, Story, inbound, outbound
from tests.pipeline.calls.replay import folded

OTHER, THIRD = "WT" + "d" * 32, "WT" + "e" * 32


def informed(call: Call, *others: tuple[str, bool]) -> Call:
    """Return the call after it was informed of these tasks; True: Twilio showed the leg there."""
    for task, is_listed in others:
        record = LegContested(CUSTOMER_LEG, TASK, task, T0, is_listed)
        after = hear_contested(call, record, T0).state
        assert isinstance(after, Call)
        call = after
    return call


def test_tasks_with_the_most_evidence_come_first() -> None:
    """The order in which the call is informed makes no difference."""
    call = folded(inbound().events)
    assert contested_legs(call) == {}
    both = [(OTHER, False), (THIRD, True), (THIRD, False)]
    expected = {CUSTOMER_LEG: Contested(listed=(THIRD,), named=(OTHER, THIRD))}
    assert contested_legs(informed(call, *both)) == expected
    assert contested_legs(informed(call, *reversed(both))) == expected
    assert expected[CUSTOMER_LEG].task_sids == (THIRD, OTHER)


def test_attributes_add_one_sign_of_a_conference_at_most() -> None:
    """A leg that they name is none; one that joined is."""
    story = outbound()
    story.attributes["conference"] = {"sid": "CF" + "1" * 32, "participants": {"customer": "CA1"}}
    story.task("updated", 1_000)
    assert conference_signs(folded(story.events)) <= 1
    before = conference_signs(folded(story.events))
    story.participant("join", 2_000, CUSTOMER_LEG)
    assert conference_signs(folded(story.events)) > before


def test_a_task_that_names_the_leg_of_a_call_that_is_known_by_its_conference() -> None:
    """Callbacks show the leg in the other task's conference, and no attribute names it there."""
    real = Story(attributes={"direction": "inbound"}).task("created", 0)
    real.participant("join", 1_000, CUSTOMER_LEG)
    aliases = [
        *learned(None, folded(real.events)),
        *learned(None, replace(folded(inbound().events), task_sid=OTHER)),
    ]
    for order in (aliases, aliases[::-1]):
        state: CallAliasState | None = None
        told: list[LegContested] = []
        for alias in order:
            if alias.call_sid == CUSTOMER_LEG:
                found = taught(CUSTOMER_LEG, state, alias, T0)
                state, told = found.state, [*told, *found.contested]
        assert (OTHER, TASK, True) in {(c.task_sid, c.other_task_sid, c.listed) for c in told}
