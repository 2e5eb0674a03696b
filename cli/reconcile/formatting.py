"""The results of a comparison as JSON and as text. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.times import rfc3339
from schemas.records import ReconciledPart, Reconciliation, ReconciliationEvidence
from schemas.states import ReconciliationResult

PENDING = "pending"
NOT_YET = "the call is in progress, or the consolidator has not answered yet"


def as_json(
    since: int,
    until: int,
    compared: Sequence[ReconciliationEvidence],
    results: Mapping[str, Reconciliation],
) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    rows = [_row(evidence, results.get(evidence.task_sid)) for evidence in compared]
    counts = Counter(row["result"] for row in rows)
    known = (*ReconciliationResult, PENDING)
    return {
        "from": rfc3339(since),
        "to": rfc3339(until),
        "counts": {str(name): counts.get(str(name), 0) for name in known},
        "results": rows,
    }


def as_text(report: Mapping[str, Any]) -> str:
    """Return the report for a person: a line for each task that is not captured, then the
    counts."""
    lines = [
        f"{row['task_sid']}  {row['result']:<9} {row['reason']}"
        for row in report["results"]
        if row["result"] != ReconciliationResult.CAPTURED
    ]
    counts = ", ".join(f"{count} {name}" for name, count in report["counts"].items() if count)
    total = f"{len(report['results'])} tasks from {report['from']} to {report['to']}"
    return "\n".join([*lines, f"{total}: {counts}" if counts else total])


def _row(evidence: ReconciliationEvidence, result: Reconciliation | None) -> dict[str, Any]:
    common = {"task_sid": evidence.task_sid, "events_added": len(evidence.added_events)}
    if result is None:
        return {
            **common,
            "result": PENDING,
            "reason": NOT_YET,
            "policy_version": None,
            "reservations": [],
            "conferences": [],
            "recordings": [],
        }
    return {
        **common,
        "result": str(result.result),
        "reason": result.reason,
        "policy_version": result.policy_version,
        "reservations": [_part(part, "reservation_sid") for part in result.reservations],
        "conferences": [_part(part, "conference_sid") for part in result.conferences],
        "recordings": list(result.recording_sids),
    }


def _part(part: ReconciledPart, name: str) -> dict[str, str]:
    return {name: part.sid, "result": str(part.result), "reason": part.reason}
