"""Read the transfer in a TaskRouter event. Pure."""

from collections.abc import Mapping
from typing import Any

from pipeline.calls.fields import text, version
from pipeline.calls.stamps import Stamp
from pipeline.calls.times import millis
from pipeline.twilio.sids import SidKind, sid_in
from schemas.records import Transfer

_ENDS = {"COMPLETED": "completed", "FAILED": "failed", "CANCELED": "canceled"}


def transfer_of(payload: Mapping[str, Any], step: str, stamp: Stamp) -> tuple[Transfer, ...]:
    """Return the transfer that the event names or is about, if any. `step`: the event's name
    without its scope."""
    sid = text(payload, "task_transfer_sid")
    begun_by = sid_in(payload, "transfer_initiating_reservation_sid", SidKind.RESERVATION)
    own_event = step.startswith("transfer-")
    if sid is None and own_event:
        sid = f"unnamed:{begun_by or ''}"
    if sid is None:
        return ()
    values = {
        "mode": text(payload, "transfer_mode"),
        "type": text(payload, "transfer_type"),
        "to": text(payload, "transfer_to"),
        "initiating_reservation_sid": begun_by,
        "initiating_worker_sid": sid_in(payload, "transfer_initiating_worker_sid", SidKind.WORKER),
    }
    milestones: dict[str, int] = {}
    if (begun := millis(payload.get("transfer_started"))) is not None:
        milestones["initiated"] = begun
    if own_event:
        step = step.removeprefix("transfer-")
        milestones[step] = min(stamp.at, milestones.get(step, stamp.at))
    status = (text(payload, "transfer_status") or "").upper()
    if (ended := _ENDS.get(status)) is not None:
        milestones.setdefault(ended, stamp.at)
    facts = stamp.facts(version(payload.get("task_version")), values)
    return (Transfer(sid, facts, milestones),)
