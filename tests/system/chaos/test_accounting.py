"""The check of a contact's required time finds each kind of mistake."""

from typing import Any

from simulator.events import iso
from simulator.world import MediaStream
from tests.system.chaos.accounting import accounting, unexplained

REQUIRED = [(1_000, 61_000)]


def ran(begin: int, end: int) -> MediaStream:
    stream = MediaStream("MZ1", "CA1", "MZ1", "ws://x", "both_tracks", {}, begin)
    stream.began_at, stream.ended_at = begin, end
    return stream


def contact(*gaps: tuple[int, int], **changes: Any) -> dict[str, Any]:
    """A contact of a minute that had to be recorded, with these gaps."""
    missing = sum(end - start for start, end in gaps)
    return {
        "state": "ended",
        "recordings": [],
        "required_ms": 60_000,
        "captured_ms": 60_000 - missing,
        "capture": "partial" if gaps else "complete",
        "gaps": [
            {"from": iso(a), "to": iso(b), "duration_ms": b - a, "reason": "late-start"}
            for a, b in gaps
        ],
        **changes,
    }


def test_a_contact_that_accounts_for_all_is_right() -> None:
    """Recorded throughout, in part, or not at all."""
    assert [] == accounting(REQUIRED, [ran(1_300, 61_000)], contact())
    assert [] == accounting(REQUIRED, [ran(11_000, 61_000)], contact((1_000, 11_000)))
    missing = contact((1_000, 61_000), capture="missing")
    assert [] == accounting(REQUIRED, [], missing)
    nothing = contact(required_ms=0, captured_ms=0, capture="not-required")
    assert [] == accounting([], [], nothing)
    waiting = contact(capture="pending", recordings=[{"state": "recording"}])
    assert [] == accounting(REQUIRED, [ran(1_300, 61_000)], waiting)


def test_what_a_contact_hides_is_found() -> None:
    """Each of these says less than is missing, or more."""
    whole, late = [ran(1_300, 61_000)], [ran(11_000, 61_000)]
    assert 1 == len(accounting(REQUIRED, late, contact()))
    assert 2 == len(accounting(REQUIRED, whole, contact(required_ms=50_000)))
    assert 2 == len(accounting(REQUIRED, whole, contact(captured_ms=60_001)))
    assert 1 == len(accounting(REQUIRED, whole, contact(capture="partial")))
    assert 1 == len(accounting(REQUIRED, whole, contact((0, 11_000))))
    reason = contact((1_000, 11_000))
    reason["gaps"][0]["reason"] = "weather"
    assert 1 == len(accounting(REQUIRED, late, reason))


def test_time_that_is_neither_captured_nor_in_a_gap_is_found() -> None:
    """Frames that were lost explain some of it, and silence does not."""
    lost = {"state": "complete", "frames": {"lost": 500, "withheld": 0}, "lost_for": {}}
    short = {"captured_ms": 53_000}
    assert unexplained(contact(captured_ms=58_500)) == []
    assert len(unexplained(contact(**short))) == 1
    assert unexplained(contact(recordings=[lost], **short)) == []
    silent = lost | {"lost_for": {"not-sent": 500}}
    assert len(unexplained(contact(recordings=[silent], **short))) == 1
