"""The judge of media streams finds each kind of mistake."""

from dataclasses import replace
from random import Random

import pytest

from simulator.building import CallBuilder
from simulator.events import Account
from simulator.openings import conversation_begins
from simulator.script import Script
from simulator.world import MediaStream
from tests.system.chaos.judging import Demand, Judge, Verdict
from tests.system.chaos.uptime import Span

ANSWERED, OVER = 1_400, 21_400


@pytest.fixture(scope="module")
def script() -> Script:
    """Return a call with the customer on the line from the first moment to 21.4 s."""
    call = CallBuilder(0, Account("AC1", "WS1"), Random(1), 1)
    conversation_begins(call)
    call.wait(20_000)
    call.hang_up()
    return call.script("any", "any")


def ran(script: Script, begin: int, end: int | None, sid: str = "MZ1") -> MediaStream:
    """A media stream of the customer's leg."""
    leg = script.customer_call_sid or ""
    stream = MediaStream(sid, leg, sid, "ws://x", "both_tracks", {}, begin)
    stream.began_at, stream.ended_at = begin, end
    return stream


def verdict(
    script: Script, *streams: MediaStream, wanted: Span, blocked: tuple[Span, ...] = ()
) -> Verdict:
    """Return the verdict on media streams if one is required for a time."""
    demand = Demand((wanted,), (wanted,))
    return Judge(script, demand, blocked, blocked).judge(streams)


def test_the_right_stream_at_the_right_time(script: Script) -> None:
    """There are no differences, and the delay is measured."""
    found = verdict(script, ran(script, 1_600, 10_100), wanted=Span(ANSWERED, 10_000))
    assert ([], [100], 1, [200]) == (found.wrong, found.stops, found.prompt, found.missing)


def test_a_stream_that_continues(script: Script) -> None:
    """More than two seconds too long is too long, unless the pipeline was away; the two seconds
    begin when it was there again."""
    stream, wanted = ran(script, 1_600, 12_100), Span(ANSWERED, 10_000)
    assert ["MZ1 ran 2100 ms too long, after 10000"] == verdict(script, stream, wanted=wanted).wrong
    away = (Span(11_000, 14_000),)
    assert [] == verdict(script, stream, wanted=wanted, blocked=away).wrong
    later = replace(stream, ended_at=16_001)
    assert ["MZ1 ran 2001 ms too long, after 14000"] == verdict(
        script, later, wanted=wanted, blocked=away
    ).wrong


def test_one_of_a_second_time(script: Script) -> None:
    """A media stream that began after the first time had ended counts for the second only; one
    between the two counts for the first."""
    demand = Demand((Span(ANSWERED, 4_000), Span(9_000, 15_000)), (Span(ANSWERED, 4_000),))
    right = Judge(script, demand, (), ()).judge([ran(script, 9_100, 15_100)])
    assert [100] == right.stops
    between = Judge(script, demand, (), ()).judge([ran(script, 7_000, 15_100)])
    assert ["MZ1 ran 5000 ms too long, after 4000"] == between.wrong[:1]


def test_one_that_never_ends(script: Script) -> None:
    """A media stream that never ends is reported."""
    found = verdict(script, ran(script, 1_600, None), wanted=Span(ANSWERED, OVER))
    assert "MZ1 runs still" in found.wrong


def test_a_stream_that_was_not_requested(script: Script) -> None:
    """A stream before any was wanted."""
    found = verdict(script, ran(script, 200, 900), wanted=Span(ANSWERED, ANSWERED + 100))
    assert ["MZ1 ran, though none was ever to run by then"] == found.wrong


def test_none_where_one_must_be(script: Script) -> None:
    """A missing media stream is reported, and so is a gap of more than three seconds between
    two."""
    wanted = Span(ANSWERED, OVER)
    assert ["no media stream for 20000 ms, from 1400 on"] == verdict(script, wanted=wanted).wrong
    first = ran(script, 1_500, 5_000)
    assert [] == verdict(script, first, ran(script, 8_000, OVER, "MZ2"), wanted=wanted).wrong
    found = verdict(script, first, ran(script, 8_100, OVER, "MZ2"), wanted=wanted)
    assert ["no media stream for 3100 ms, from 5000 on"] == found.wrong


def test_two_at_once(script: Script) -> None:
    """One is enough."""
    both = ran(script, 1_500, OVER), ran(script, 5_000, 8_000, "MZ2")
    found = verdict(script, *both, wanted=Span(ANSWERED, OVER))
    assert ["two media streams at once for 3000 ms"] == found.wrong
