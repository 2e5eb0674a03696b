"""How much of a contact's required time is captured."""

import pytest

from pipeline.contacts.state import Input
from tests.pipeline.contacts.contacts import EVE, WANTED, of
from tests.pipeline.contacts.records import (
    NOON,
    call,
    changed,
    completed,
    decided,
    opened,
    reservation,
    started,
    supplement,
)

GOING_ON = call(reservation(1, "ann", created=0, accepted=2_000))
WHOLE = completed(1, 2_300, 62_000, lost=0)


@pytest.mark.parametrize(
    ("records", "capture", "required_ms", "captured_ms", "gaps"),
    [
        ((call(EVE),), "not-required", 0, 0, []),
        ((WANTED,), "missing", 60_000, 0, [(2_000, 62_000)]),
        ((WANTED, WHOLE), "complete", 60_000, 59_700, []),
        ((WANTED, completed(1, 12_000, 62_000, lost=0)), "partial", 60_000, 50_000,
         [(2_000, 12_000)]),
        ((WANTED, completed(1, 2_300, 42_000, lost=70)), "partial", 60_000, 39_000,
         [(42_000, 62_000)]),
        ((WANTED, completed(1, 2_300, 2_300, lost=0)), "missing", 60_000, 0, [(2_000, 62_000)]),
        ((WANTED, started(1, 2_300)), "pending", 60_000, 59_700, []),
        ((WANTED, opened(1, 2_300)), "pending", 60_000, 0, [(2_000, 62_000)]),
        ((WANTED, WHOLE, started(2, 2_300, **supplement(2, of=1))), "pending", 60_000, 59_700, []),
        ((GOING_ON, completed(1, 2_300, 42_000, lost=0)), "pending", 98_000, 39_700,
         [(42_000, 100_000)]),
    ],
)  # fmt: skip
def test_capture(
    records: tuple[Input, ...],
    capture: str,
    required_ms: int,
    captured_ms: int,
    gaps: list[tuple[int, int]],
) -> None:
    """The required time, the captured part of it, and the missing part."""
    found = of(*records)
    assert (capture, required_ms, captured_ms, gaps) == (
        found.capture, found.required_ms, found.captured_ms,
        [(g.started_at - NOON, g.ended_at - NOON) for g in found.gaps],
    )  # fmt: skip


def test_events_that_come_after_the_call_are_required_all_the_same() -> None:
    """Nothing was decided during the call: it is missing, because its events came late."""
    found = of(WANTED, decided(500_000, "do-not-record"), now=NOON + 500_000)
    assert ("missing", 60_000) == (found.capture, found.required_ms)
    assert ["late-events"] == [gap.reason for gap in found.gaps]


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ((), "never-reached-gateway"),
        ((opened(1, 2_300),), "unknown"),
        ((started(1, 62_000),), "late-start"),
        ((completed(1, 62_000, 62_000),), "unknown"),
    ],
)
def test_a_media_stream_never_reached_a_gateway_if_none_reported_it(
    reports: tuple[Input, ...], reason: str
) -> None:
    """Nor a recorder, which reads what gateways publish."""
    ended = changed(1, "stopped", 61_000, "MZ1")
    found = of(WANTED, decided(2_000, "record"), *reports, ended)
    assert [reason] == [gap.reason for gap in found.gaps]
