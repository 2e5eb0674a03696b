"""The versions of a call that a log has."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cli.call.versions import Logged, held, versions
from pipeline.calls.merge import Folded, fold
from schemas.records import Call, CtiEvent
from tests.examples import examples
from tests.pipeline.calls.histories import histories
from tests.pipeline.contacts.records import NOON


def logged(events: list[CtiEvent]) -> list[Logged[Call]]:
    """The versions that the events make, a second apart."""
    found: list[Logged[Call]] = []
    for event in events:
        outcome = fold(found[-1].record if found else None, event)
        if isinstance(outcome, Folded) and outcome.news:
            found.append(Logged(NOON + 1_000 * len(found), outcome.call))
    return found


@settings(max_examples=examples(40), deadline=None)
@given(histories(), st.integers(0, 40), st.integers(0, 40))
def test_what_is_written_again_is_no_version(events: list[CtiEvent], cut: int, back: int) -> None:
    """A process that was killed writes its last versions once more: each is there once, and what
    holds at its end is the last."""
    log = logged(events)
    cut = min(cut, len(log))
    repeated = [*log[:cut], *log[max(0, cut - back) :]]
    found = versions(repeated)
    assert [entry.record for entry in log] == [version.call for version in found]
    assert (log[-1].record if log else None) == (found[-1].call if found else None)


@settings(max_examples=examples(40), deadline=None)
@given(histories(), st.integers(-1, 60_000))
def test_what_held_is_the_last_version_until_then(events: list[CtiEvent], after: int) -> None:
    """By log time; before the first there is none."""
    found = versions(logged(events))
    until = [version for version in found if version.at <= NOON + after]
    assert (until[-1] if until else None) == held(found, NOON + after)
