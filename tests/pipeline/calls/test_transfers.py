"""What a TaskRouter event says of a transfer."""

from typing import Any

import pytest

from pipeline.calls.stamps import Stamp
from pipeline.calls.transfers import transfer_of
from schemas.records import Transfer

STAMP = Stamp(1_790_000_005_000, "EV1")
STARTED = 1_790_000_003
RESERVATION, WORKER = "WR" + "a" * 32, "WK" + "b" * 32
PAYLOAD: dict[str, Any] = {
    "task_version": "4",
    "task_transfer_sid": "TT1",
    "transfer_mode": "WARM",
    "transfer_type": "QUEUE",
    "transfer_to": "WQ1",
    "transfer_initiating_reservation_sid": RESERVATION,
    "transfer_initiating_worker_sid": WORKER,
    "transfer_started": STARTED,
    "transfer_status": "INITIATED",
}


def read(step: str, **changes: Any) -> Transfer | None:
    found = transfer_of(PAYLOAD | changes, step, STAMP)
    assert len(found) <= 1
    return found[0] if found else None


def test_a_transfer_has_what_the_event_says() -> None:
    """With the task's version."""
    found = read("transfer-initiated")
    assert found is not None
    assert "TT1" == found.sid
    assert {
        "mode": "WARM", "type": "QUEUE", "to": "WQ1",
        "initiating_reservation_sid": RESERVATION, "initiating_worker_sid": WORKER,
    } == {name: fact.value for name, fact in found.facts.items()}  # fmt: skip
    assert {4} == {fact.version for fact in found.facts.values()}


def test_sids_of_another_form_are_left_out() -> None:
    """Attributes may hold anything."""
    found = read(
        "updated", transfer_initiating_reservation_sid="x", transfer_initiating_worker_sid="WK1"
    )
    assert found is not None
    assert {"mode", "type", "to"} == found.facts.keys()


@pytest.mark.parametrize(
    ("step", "changes", "expected"),
    [
        ("transfer-initiated", {}, {"initiated": 1_790_000_003_000}),
        ("transfer-initiated", {"transfer_started": None}, {"initiated": 1_790_000_005_000}),
        (
            "transfer-initiated",
            {"transfer_started": STARTED + 60},
            {"initiated": 1_790_000_005_000},
        ),
        (
            "transfer-completed",
            {"transfer_status": "COMPLETED"},
            {"initiated": 1_790_000_003_000, "completed": 1_790_000_005_000},
        ),
        ("updated", {}, {"initiated": 1_790_000_003_000}),
        (
            "updated",
            {"transfer_status": "failed"},
            {"initiated": 1_790_000_003_000, "failed": 1_790_000_005_000},
        ),
        (
            "wrapup",
            {"transfer_started": None, "transfer_status": "CANCELED"},
            {"canceled": 1_790_000_005_000},
        ),
        ("wrapup", {"transfer_started": None, "transfer_status": "?"}, {}),
    ],
)
def test_the_milestones_of_a_transfer(
    step: str, changes: dict[str, Any], expected: dict[str, int]
) -> None:
    """The beginning as stated, or the event's own time if that is earlier; an end as the event or
    its status says."""
    found = read(step, **changes)
    assert found is not None
    assert expected == dict(found.milestones)


def test_a_transfer_without_a_sid() -> None:
    """Its own events make one, named after the reservation that began it; others say nothing."""
    found = read("transfer-initiated", task_transfer_sid=None)
    assert found is not None
    assert f"unnamed:{RESERVATION}" == found.sid
    nameless = read(
        "transfer-failed", task_transfer_sid="", transfer_initiating_reservation_sid=None
    )
    assert nameless is not None
    assert "unnamed:" == nameless.sid
    assert read("updated", task_transfer_sid=None) is None
