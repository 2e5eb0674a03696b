"""A stumbling Twilio: how often, and in which ways."""

from collections import Counter
from random import Random

from simulator.faults import Outages, Stumbling


def test_one_request_in_five_fails_in_every_way() -> None:
    """The share is kept, each way occurs, and the same seed gives the same ones."""
    stumbling = Stumbling(0.2, Random(1))
    drawn = [stumbling.next() for _ in range(5_000)]
    again = Stumbling(0.2, Random(1))
    assert drawn == [again.next() for _ in range(5_000)]
    kinds = Counter(stumble.kind for stumble in drawn if stumble is not None)
    assert 900 < sum(kinds.values()) < 1_100
    assert {
        "429", "500", "503", "500 after the effect", "connection lost", "answer lost", "hangs",
        "slow",
    } == set(kinds)  # fmt: skip


def test_a_twilio_that_never_stumbles() -> None:
    """With a share of 0 there are no faults."""
    stumbling = Stumbling(0.0, Random(1))
    assert {None} == {stumbling.next() for _ in range(1_000)}


def test_in_an_outage_every_request_fails() -> None:
    """With an error, or without an answer until it is over; then requests are answered again."""
    now = [1_000]
    outages = Outages(Stumbling(0.0, Random(1)), lambda: now[0])
    assert outages.next() is None
    outages.begin(5_000, answers=False)
    now[0] = 2_000
    silent = outages.next()
    assert silent is not None
    assert (silent.carried_out, silent.answered, silent.after_s) == (False, False, 4.0)
    now[0] = 6_000
    assert outages.next() is None
    outages.begin(1_000, answers=True)
    broken = outages.next()
    assert broken is not None
    assert broken.refusal is not None
    assert (broken.refusal.status, broken.carried_out) == (500, False)
    assert outages.spans == [(1_000, 6_000), (6_000, 7_000)]
