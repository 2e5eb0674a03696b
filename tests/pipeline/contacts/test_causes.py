"""Causes of gaps."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contacts.causes import NEVER_OPENED, cause_of, never_opened, with_cause
from pipeline.streams.marks import NoLeg
from pipeline.twilio.errors import BEFORE
from schemas.records import GapCause
from tests.pipeline.contacts.records import NOON, TASK, answered, changed

MAX_CAUSES = 500


def test_answers_that_explain_nothing() -> None:
    """A start that was done, and a stop that failed."""
    assert cause_of(replace(answered("done"), attempts=1)) is None
    asked = replace(answered("no-conference"), command="find", command_id=f"find:{TASK}:1")
    assert cause_of(asked) == GapCause(asked.at, "no-leg")
    assert cause_of(replace(asked, command_id=f"find:{TASK}:40")) is None
    assert cause_of(replace(asked, outcome="listed")) is None
    assert cause_of(replace(answered("failed", 500), command="stop")) is None


def test_a_media_stream_that_no_gateway_reported_explains_missing_audio() -> None:
    """Only once it is over, only if Twilio started it, and only if it is one of ours."""
    ended = changed(1, "stopped", 6_000, "MZ1")
    assert (GapCause(NOON + 6_000, NEVER_OPENED),) == never_opened([ended], frozenset())
    assert () == never_opened([ended], frozenset({"MZ1"}))
    others = [
        changed(1, "starting", 6_000, "MZ1"),
        changed(2, "stopped", 6_000),
        changed(0, "stopped", 6_000, "MZ3"),
    ]
    assert () == never_opened(others, frozenset())


_causes = st.lists(
    st.builds(GapCause, st.integers(0, 700), st.sampled_from(["no-leg", "gateway-died"])),
    max_size=12,
)


@given(_causes, st.randoms())
def test_the_order_of_the_causes_does_not_matter(causes: list[GapCause], random: object) -> None:
    """Nor does repetition, also beyond the bound; the latest are kept."""
    wide = [GapCause(c.at + n, c.reason) for c in causes for n in range(0, 60 * 10, 10)]
    shuffled = [*wide, *wide[::3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one: tuple[GapCause, ...] = ()
    other: tuple[GapCause, ...] = ()
    for cause in wide:
        one = with_cause(one, cause)
    for cause in shuffled:
        other = with_cause(other, cause)
    assert one == other
    expected = sorted(set(wide), key=lambda c: (c.at, c.reason))[-MAX_CAUSES:]
    assert expected == list(one)


@pytest.mark.parametrize("no_leg", list(NoLeg))
def test_a_start_without_a_leg_is_no_failure_of_twilios(no_leg: NoLeg) -> None:
    """Twilio answered each request. With a code of Twilio's, the code is the reason."""
    for outcome in ("expired", "failed", "superseded"):
        assert GapCause(NOON, "no-leg") == cause_of(answered(outcome, detail=no_leg.value))
    assert GapCause(NOON, "no-leg") == cause_of(answered("done", detail=BEFORE + no_leg.value))
    assert GapCause(NOON, "twilio-refused") == cause_of(answered("failed", 21220, no_leg.value))
