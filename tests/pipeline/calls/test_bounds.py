"""The size of a call's state is bounded, by rules that do not depend on the order of events."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls import bounds
from pipeline.calls.events import Silent
from pipeline.calls.merge import Folded, fold, merge
from pipeline.calls.view import derived
from schemas.codec import encode
from schemas.records import Call, CtiEvent, Fact, Reservation
from tests.examples import examples
from tests.pipeline.calls.histories import inbound, leg_sid, reservation_sid, stream_sid

MAX_TEXT_CHARACTERS = 500
KAFKA_BYTES = 1_000_000
FATES = ["", "rejected", "timeout", "rescinded", "failed", "canceled", "accepted"]


@contextmanager
def _at_most(most: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds, "MAX_OFFERS", most)
        patch.setattr(bounds, "MAX_OTHERS", most)
        yield


def _folded(events: Sequence[CtiEvent], call: Call | None = None) -> Call:
    for each in events:
        outcome = fold(call, each)
        if isinstance(outcome, Folded):
            call = outcome.call
        else:
            assert isinstance(outcome, Silent)
    assert call is not None
    return call


def _bare(call: Call) -> Call:
    return replace(
        call, revision=0, cause_event_id="", cause_type="", cause_at=0, direction=None, state="",
        connections=(), queue=None, customer=None, agents=(), started_at=None, ended_at=None,
    )  # fmt: skip


@st.composite
def offers(draw: st.DrawFn) -> list[CtiEvent]:
    """A task that is offered to many, and the result of each offer: none yet, an end, or an
    acceptance. Each step happens once, and every event has the worker's attributes."""
    story = inbound()
    for number in range(draw(st.integers(1, 7))):
        name, at = f"agent{number}", draw(st.integers(1, 40)) * 250
        if draw(st.integers(0, 5)):
            story.reservation("created", at, name)
        fate = draw(
            st.sampled_from(
                ["", "rejected", "timeout", "rescinded", "failed", "canceled", "accepted"]
            )
        )
        later = at + draw(st.integers(1, 40)) * 250
        if fate:
            story.reservation(fate, later, name)
        if fate == "accepted" and draw(st.booleans()):
            story.reservation("wrapup", later + 250, name)
    return story.events


@settings(max_examples=examples(300), deadline=None)
@given(offers(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_bounded_call(
    events: list[CtiEvent], most: int, chance: random.Random
) -> None:
    """Which offers are kept, and all that is kept of them, is a function of the set of events."""
    shuffled = events + chance.choices(events, k=len(events))
    chance.shuffle(shuffled)
    with _at_most(most):
        assert _bare(_folded(events)) == _bare(_folded(shuffled))


@settings(max_examples=examples(300), deadline=None)
@given(offers(), st.integers(1, 4), st.data())
def test_merging_bounded_calls_is_commutative_associative_and_idempotent(
    events: list[CtiEvent], most: int, data: st.DataObject
) -> None:
    """Whatever part of the events each side knows; and the merge of the parts is the whole."""
    parts = [
        data.draw(st.lists(st.sampled_from(events), min_size=1, unique_by=lambda e: e.event_id))
        for _ in range(3)
    ]
    with _at_most(most):
        a, b, c = (_folded(part) for part in parts)
        assert _bare(merge(a, b)) == _bare(merge(b, a))
        assert _bare(merge(merge(a, b), c)) == _bare(merge(a, merge(b, c)))
        assert _bare(merge(a, a)) == _bare(a)
        complete = _folded([event for part in parts for event in part])
        assert _bare(merge(merge(a, b), c)) == _bare(replace(complete, latest_arrival_at=max(
            call.latest_arrival_at for call in (a, b, c)
        )))  # fmt: skip


@settings(max_examples=examples(200), deadline=None)
@given(offers(), st.integers(1, 4))
def test_the_greatest_offers_are_kept_and_every_acceptance(
    events: list[CtiEvent], most: int
) -> None:
    """Only the latest created reservations, by time and SID; accepted and cancelled ones stay; the
    call states whether there were more."""
    call = _folded(events)
    with _at_most(most):
        kept = _folded(events)
    created = sorted(
        (r.milestones["created"], r.sid) for r in call.reservations if "created" in r.milestones
    )
    assert created[-most:] == sorted(
        (r.milestones["created"], r.sid) for r in kept.reservations if "created" in r.milestones
    )
    for reservation in call.reservations:
        always = {"accepted", "wrapup", "canceled"} & reservation.milestones.keys()
        found = [r.milestones for r in kept.reservations if r.sid == reservation.sid]
        assert not always or always <= found[0].keys()
    milestones = sum(len(r.milestones) for r in call.reservations)
    assert kept.more_offers == (sum(len(r.milestones) for r in kept.reservations) < milestones)


def test_an_offer_that_comes_again_after_it_went_is_no_news() -> None:
    """A repetition makes no version of the call."""
    story = inbound()
    for number in range(5):
        story.reservation("created", 1_000 * number, f"agent{number}")
    with _at_most(3):
        call = _folded(story.events)
        again = fold(call, story.events[1])
        assert isinstance(again, Folded)
        assert not again.news
        assert again.call.reservations is call.reservations
    assert call.more_offers
    assert derived(call).more_offers


def test_a_task_that_is_offered_for_hours_stays_small() -> None:
    """Thousands of offers, unanswered legs, long values: far below what Kafka takes."""
    story = inbound()
    attributes = '{"full_name": "' + "x" * 100_000 + '", "email": "A@x.y"}'
    for number in range(650):
        at, name = 10_000 * number, f"agent{number:05d}"
        story.reservation("created", at, name, worker_attributes=attributes)
        story.call_status("completed", at + 5_000, leg_sid(name), CallStatus="no-answer")
        story.reservation("timeout", at + 9_000, name, worker_attributes=attributes)
    story.reservation("accepted", 9_000_000, "agent00003")
    call = _folded(story.events)

    assert 501 == len(call.reservations)
    assert len(encode(call)) < KAFKA_BYTES
    names = [f.value for r in call.reservations if (f := r.facts.get("full_name")) is not None]
    assert MAX_TEXT_CHARACTERS == max(len(name) for name in names)
    [ann] = [r for r in call.reservations if r.sid == reservation_sid("agent00003")]
    assert {"accepted": ann.milestones["accepted"]} == ann.milestones
    assert any(leg.call_sid == story.attributes["call_sid"] for leg in call.legs)


def test_transfers_and_media_streams_are_bounded_too() -> None:
    """By their SIDs, in whatever order they come."""
    story = inbound()
    for number in range(9):
        story.task("transfer-initiated", 1_000 * number, task_transfer_sid=f"TT{number}")
        story.stream_status("started", 1_000 * number, stream_sid(str(number)), leg_sid("x"))
        story.events[-1] = replace(story.events[-1], task_sid=story.task_sid)
    with _at_most(3):
        call, backwards = _folded(story.events), _folded(story.events[::-1])
    assert ["TT6", "TT7", "TT8"] == [transfer.sid for transfer in call.transfers]
    assert [stream_sid(name) for name in "678"] == [
        stream.stream_sid for stream in call.media_streams
    ]
    assert _bare(call) == _bare(backwards)


def test_an_offer_that_ended_in_every_way_is_bounded_like_the_others() -> None:
    """Contradicting events give one reservation all ends of an offer; the latest of them stays."""
    odd = Reservation("WR1", {"team": Fact("blue", 1, 1, "e")}, {
        "created": 1, "rejected": 2, "timeout": 3, "rescinded": 4, "failed": 5,
    })  # fmt: skip
    other = Reservation("WR2", {}, {"created": 10})
    with _at_most(1):
        kept = bounds.bounded_reservations((), (odd, other), known_more=False, more=False)
    unstamped = Reservation("WR1", {"team": Fact("blue", 0, 0, "")}, {"failed": 5})
    assert ((unstamped, other), True) == kept
