"""The results of a comparison as JSON and as text."""

from cli.reconcile.formatting import as_json, as_text
from schemas.records import ReconciledPart, Reconciliation
from tests.pipeline.contacts.records import NOON, TASK
from tests.pipeline.reconciliation.records import CF, RE, WR, evidence

RESULT = Reconciliation(
    TASK, "lost", "gateway-died", 3, (ReconciledPart(WR, "lost", "gateway-died"),),
    (ReconciledPart(CF, "lost", "gateway-died"),), (RE,), 2, NOON, NOON,
)  # fmt: skip
OTHER = "WT" + "b" * 32


def test_json_has_a_row_for_each_task() -> None:
    """A task without a result is pending."""
    compared = [evidence(added_events=("1", "2")), evidence(task_sid=OTHER)]
    report = as_json(NOON, NOON + 1_000, compared, {TASK: RESULT})
    assert {"lost": 1, "pending": 1} == {k: v for k, v in report["counts"].items() if v}
    assert 6 == len(report["counts"])
    lost, pending = report["results"]
    assert (TASK, "lost", 3, 2, [RE]) == (
        lost["task_sid"],
        lost["result"],
        lost["policy_version"],
        lost["events_added"],
        lost["recordings"],
    )
    assert [{"reservation_sid": WR, "result": "lost", "reason": "gateway-died"}] == (
        lost["reservations"]
    )
    assert [{"conference_sid": CF, "result": "lost", "reason": "gateway-died"}] == (
        lost["conferences"]
    )
    assert (OTHER, "pending") == (pending["task_sid"], pending["result"])


def test_text_names_what_is_not_captured() -> None:
    """And counts everything."""
    captured = Reconciliation(OTHER, "captured", "", 3, (), (), (), 0, NOON, NOON)
    compared = [evidence(), evidence(task_sid=OTHER)]
    report = as_json(NOON, NOON + 1_000, compared, {TASK: RESULT, OTHER: captured})
    lines = as_text(report).splitlines()
    assert 2 == len(lines)
    assert lines[0].startswith(f"{TASK}  lost")
    assert lines[1].startswith("2 tasks from ")
    assert lines[1].endswith(": 1 captured, 1 lost")
    assert as_text(as_json(NOON, NOON + 1_000, [], {})).startswith("0 tasks from ")
