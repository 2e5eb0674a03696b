"""Named legs that Twilio does not find in progress."""

from dataclasses import replace
from itertools import pairwise

import pytest

from pipeline.streams.marks import NoLeg
from schemas.records import (
    StartDuplicateStream,
)
from tests.pipeline.streams.calls import call
from tests.pipeline.streams.searching import ACTIVE, Search, answer, changed

LONG_PAUSE_MS = 30_000
NO_CONFERENCE = NoLeg.NO_CONFERENCE.value


def test_a_leg_that_an_event_names_is_started_without_a_question() -> None:
    """It becomes a call."""
    search = Search()
    search.see()
    search.pass_time(60)
    asked = len(search.asked)
    named = call(ACTIVE, revision=search.version.revision + 1)
    search.see(named)
    [start] = search.of(StartDuplicateStream)
    assert isinstance(start, StartDuplicateStream)
    assert start.call_sid is not None
    assert asked == len(search.asked)


@pytest.mark.parametrize(("code", "detail"), [(21220, ""), (404, ""), (None, NO_CONFERENCE)])
def test_the_named_leg_of_an_earlier_call_is_given_up(code: int | None, detail: str) -> None:
    """Callbacks can name one. Its media stream failed, and a conference is searched for, once in
    30 s; if there is one, the leg is looked for in it."""
    search = Search(call(ACTIVE))
    search.see()
    [start] = search.of(StartDuplicateStream)
    assert isinstance(start, StartDuplicateStream)
    search.now += 30_000
    search.receive(replace(answer(start, "expired", detail), code=code))
    search.pass_time(600)
    assert ["starting", "failed"] == [c.state for c in changed(search)]
    assert [start] == search.of(StartDuplicateStream)
    assert 15 < len(search.asked) < 22
    assert all(b - a >= LONG_PAUSE_MS for a, b in pairwise(search.asked))

    search.outcome = "listed"
    search.sign(1)
    again = search.of(StartDuplicateStream)[-1]
    assert isinstance(again, StartDuplicateStream)
    assert (2, None) == (again.generation, again.call_sid)


@pytest.mark.parametrize(
    ("direction", "outcome", "code"),
    [("outbound", "expired", 21220), ("inbound", "expired", 503), ("inbound", "failed", 403)],
)
def test_a_leg_that_may_still_come_is_asked_for_again(
    direction: str, outcome: str, code: int
) -> None:
    """One that rings, and one about which Twilio said nothing."""
    search = Search(call(ACTIVE, direction=direction))
    search.see()
    [start] = search.of(StartDuplicateStream)
    assert isinstance(start, StartDuplicateStream)
    search.receive(replace(answer(start, outcome, ""), code=code))
    search.pass_time(2)
    assert 2 == len(search.of(StartDuplicateStream))
    assert not search.asked
