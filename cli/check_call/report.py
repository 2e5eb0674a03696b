"""The result of a test call, as a table and as JSON. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cli.check_call.findings import Finding
from cli.check_call.verdicts import Status

_MARKS = {
    Status.HOLDS: "holds",
    Status.DIFFERS: "differs",
    Status.CHANGE: "CHANGE",
    Status.NOT_SEEN: "not seen",
}


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a test call. `problem`: why the call failed, None if it did not;
    `needs_change`: whether an assumption that requires a change does not hold."""

    to: str
    caller: str
    call_sid: str
    task_sid: str
    problem: str | None
    needs_change: bool
    findings: Sequence[Finding]

    @property
    def is_good(self) -> bool:
        """Whether nothing failed and nothing must be changed."""
        return self.problem is None and not self.needs_change


def as_json(result: Result) -> dict[str, Any]:
    """Return the result for programs."""
    return {
        "result": "ok" if result.is_good else "failed" if result.problem else "change-needed",
        "problem": result.problem,
        "to": result.to,
        "from": result.caller,
        "call_sid": result.call_sid or None,
        "task_sid": result.task_sid,
        "assumptions": [
            asdict(finding) | {"remedy": finding.remedy or None} for finding in result.findings
        ],
    }


def as_text(result: Result) -> str:
    """Return the result for people."""
    if not result.call_sid:
        return f"Failed: {result.problem}."
    shown = [each for each in result.findings if each.status is not Status.NOT_SHOWN]
    hidden = [each.name for each in result.findings if each.status is Status.NOT_SHOWN]
    width = max((len(each.name) for each in shown), default=0)
    lines = [f"{each.name:<{width}}  {_MARKS[each.status]:<8}  {each.found}" for each in shown]
    lines += [f"change for {each.name}: {each.remedy}" for each in shown if each.remedy]
    if hidden:
        lines.append(f"A test call does not show: {', '.join(hidden)}.")
    if result.problem is not None:
        lines.append(f"Failed: {result.problem}.")
    elif result.needs_change:
        lines.append("Something must be changed.")
    else:
        lines.append("Nothing needs a change. docs/assumptions.md explains each line.")
    return "\n".join(lines)
