"""`flexcapture rebuild tracker`, printed."""

import asyncio
import sys

from aiokafka.errors import KafkaError

from cli.rebuild.calls import Refused, Report, rebuild_tracker
from cli.rebuild.output import told_list
from pipeline.runtime.log_reader import Told
from pipeline.runtime.settings import Settings


def rebuild(settings: Settings, *, check: bool) -> int:
    """Rebuilds the tracker's table, or checks it. The exit status: 0; 1 where the table must not be
    touched, Kafka cannot be read, or, with `check`, the table is not what it must be."""
    try:
        report = asyncio.run(rebuild_tracker(settings, check=check, progress=Told()))
    except (Refused, KafkaError, OSError) as error:
        print(f"flexcapture: {error or type(error).__name__}", file=sys.stderr, flush=True)
        return 1
    told_list("these were not as they must be", report.differences)
    told_list("events and versions contradict each other; what both say is kept", report.doubts)
    print(summary(report, check=check))
    return 1 if check and report.differences else 0


def summary(report: Report, *, check: bool) -> str:
    """The last line."""
    held = (
        f"{report.same + report.behind} calls are as they must be, "
        f"{len(report.differences)} were not"
    )
    if report.behind:
        held += f"; {report.behind} of them wait for events that the tracker has not committed"
    return held + (
        ". Nothing was written." if check else f". {report.written} values were written."
    )
