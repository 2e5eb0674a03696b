"""The result of a test call as a table and as JSON."""

from cli.check_call.findings import findings, needs_change, problem_of
from cli.check_call.observations import Observations
from cli.check_call.report import Result, as_json, as_text
from tests.cli.check_call.usual import CALL, SWAPPED, TASK, usual


def _result(seen: Observations, call_sid: str = CALL) -> Result:
    found = findings(seen)
    return Result(
        "+15550100200", "+15005550006", call_sid, TASK, problem_of(seen), needs_change(found), found
    )


def test_a_result_is_shown() -> None:
    """As a table with a last line that says what to do, and as JSON with the same."""
    good, change = _result(usual()), _result(usual(batches=SWAPPED))
    assert as_text(good).splitlines()[0].startswith("silence              holds")
    assert "Nothing needs a change" in as_text(good)
    assert "change for tracks: left and right" in as_text(change)
    assert ["ok", "change-needed"] == [as_json(each)["result"] for each in (good, change)]
    failed = _result(Observations(), call_sid="")
    assert "Failed: no media stream was started." == as_text(failed)
    document = as_json(failed)
    assert ("failed", None, "no media stream was started") == (
        document["result"], document["call_sid"], document["problem"],
    )  # fmt: skip
    row = as_json(good)["assumptions"][0]
    assert {"name": "silence", "status": "holds", "remedy": None}.items() <= row.items()
