"""The differences of two versions of a call in words."""

from hypothesis import given, settings

from cli.call.changes import changes
from cli.call.versions import Logged, versions
from pipeline.calls.merge import Folded, fold
from schemas.records import Call, CtiEvent
from tests.examples import examples
from tests.pipeline.calls.histories import CUSTOMER_LEG, Story, histories
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
@given(histories())
def test_nothing_changed_means_no_words(events: list[CtiEvent]) -> None:
    """Every phrase is said of a difference, and of a first version there is always one."""
    found = versions(logged(events))
    assert all(() == changes(version.call, version.call) for version in found)
    assert not found or found[0].changes


def test_changes_are_described_in_words() -> None:
    """What an agent, a leg, the task and the call did."""
    story = Story().task("created", 0).reservation("created", 1_000, "ann")
    story.reservation("accepted", 2_000, "ann").participant("hold", 5_000, CUSTOMER_LEG)
    changes = [version.changes for version in versions(logged(story.events))]
    assert "task created" in changes[0]
    assert {"state forming -> active", "ann@example.com alerting"} <= set(changes[1])
    assert "ann@example.com alerting -> active" in changes[2]
    assert "reservation ann@example.com accepted" in changes[2]
    assert "ann@example.com active -> hold" in changes[3]
