"""Print the result of `flexcapture rebuild tracker`."""

import asyncio

from aiokafka.errors import KafkaError

from cli.messages import print_error
from cli.rebuild.arguments import print_list
from cli.rebuild.calls import CallsReport, RebuildRefused, rebuild_tracker
from pipeline.error_text import error_text
from pipeline.runtime.log_reader import ProgressPrinter
from pipeline.runtime.settings import Settings


def rebuild(settings: Settings, *, check: bool) -> int:
    """Rebuild the tracker's table, or check it. Return the exit status: 0; 1 if the table must not
    be changed, Kafka cannot be read, or a check finds differences."""
    try:
        report = asyncio.run(rebuild_tracker(settings, check=check, progress=ProgressPrinter()))
    except (RebuildRefused, KafkaError, OSError) as error:
        return print_error(error_text(error))
    print_list("these calls differed", report.differences)
    print_list("events and versions contradict each other; the table holds both", report.doubts)
    print(summary(report, check=check))
    return 1 if check and report.differences else 0


def summary(report: CallsReport, *, check: bool) -> str:
    """Return the last line of the output."""
    held = (
        f"{report.same + report.behind} calls are correct in the table, "
        f"{len(report.differences)} were not"
    )
    if report.behind:
        held += f"; {report.behind} of the correct ones lack events that are not committed yet"
    return held + (
        ". Nothing was written." if check else f". {report.written} values were written."
    )
