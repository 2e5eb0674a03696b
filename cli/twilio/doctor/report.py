"""The results as text, as JSON, and as metrics. Pure."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipeline.check_results import CheckResult, CheckStatus

_WIDTH = max(len(status) for status in CheckStatus)
_VALUES = {CheckStatus.OK: 0, CheckStatus.WARNING: 1, CheckStatus.FAILURE: 2}


def failed(results: Sequence[CheckResult]) -> bool:
    """Return whether a check failed."""
    return any(each.status is CheckStatus.FAILURE for each in results)


def as_json(results: Sequence[CheckResult]) -> dict[str, Any]:
    """Return the results for programs."""
    return {"checks": [asdict(each) for each in results]}


def as_text(results: Sequence[CheckResult]) -> str:
    """Return the results for people."""
    width = max(len(each.name) for each in results)
    lines = []
    for each in results:
        mark = "" if each.status is CheckStatus.OK else each.status.upper()
        lines.append(f"{mark or 'ok':<{_WIDTH}}  {each.name:<{width}}  {each.detail}")
        if each.remedy:
            lines.append(f"{'':<{_WIDTH + width + 4}}-> {each.remedy}")
    counts = {status: sum(each.status is status for each in results) for status in CheckStatus}
    lines.append(", ".join(f"{number} {status}" for status, number in counts.items()))
    return "\n".join(lines)


def as_metrics(results: Sequence[CheckResult], now: int) -> str:
    """Return the results in Prometheus' text format. `now`: the time, ms since the epoch."""
    name = "flexcapture_doctor_check_status"
    lines = [
        f"# HELP {name} Status of a check: 0 ok, 1 warning, 2 failure",
        f"# TYPE {name} gauge",
    ]
    lines += [f'{name}{{check="{each.name}"}} {_VALUES[each.status]}' for each in results]
    time_name = "flexcapture_doctor_last_run_timestamp_seconds"
    lines += [f"# HELP {time_name} Time of the last run of the checks"]
    lines += [f"# TYPE {time_name} gauge", f"{time_name} {now / 1000:.3f}", ""]
    return "\n".join(lines)
