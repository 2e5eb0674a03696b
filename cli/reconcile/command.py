"""`flexcapture reconcile`: compare a period with Twilio's own records, and print the results."""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping, Sequence

from aiokafka.errors import KafkaError

from agents.reconciler.comparing import PeriodComparison
from agents.reconciler.known_tasks import results
from agents.reconciler.service import READS, WRITES
from agents.reconciler.twilio_lists import TwilioLists
from agents.twilio_history.client import history_api
from cli.messages import FAILED, OK, WRONG, print_error
from cli.reconcile.formatting import as_json, as_text
from cli.reconcile.settling import SettlingResults
from pipeline.error_text import error_text
from pipeline.reconciliation.windows import LONGEST_REQUEST_MS, parts
from pipeline.runtime.kafka import started_producer
from pipeline.runtime.kafka_start import ensure_topics
from pipeline.runtime.log_clock import log_clock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from pipeline.runtime.twilio_rest import account_of
from schemas.records import Reconciliation, ReconciliationEvidence
from schemas.topics import RECONCILIATIONS

WAIT_S = 60.0
"""How long to wait for the consolidator's results."""
LOOK_S = 1.0
QUIET_S = 5.0
"""How long (s) the results must stay the same if events were added: while the pipeline processes
these events, a call may look as if nothing of it had to be recorded."""


def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Compare the period that was asked for. Return the exit status."""
    if asked.until <= asked.since:
        return print_error("--to must be later than --from", WRONG)
    if asked.until - asked.since > LONGEST_REQUEST_MS:
        return print_error("the period is longer than 31 days: compare it in parts", WRONG)
    account_of(settings)  # raises an error that names missing settings
    try:
        compared, found = asyncio.run(_reconcile(settings, asked.since, asked.until))
    except (TwilioError, KafkaError, TimeoutError, OSError) as error:
        return print_error(error_text(error), FAILED)
    report = as_json(asked.since, asked.until, compared, found)
    print(json.dumps(report, indent=2) if asked.json else as_text(report))
    return OK


async def _reconcile(
    settings: Settings, since: int, until: int
) -> tuple[Sequence[ReconciliationEvidence], Mapping[str, Reconciliation]]:
    topics = {topic.name: topic for topic in (*READS, *WRITES, RECONCILIATIONS)}
    await ensure_topics(settings, topics.values())
    health = Health()
    compared: dict[str, ReconciliationEvidence] = {}
    async with (
        log_clock(settings, health) as clock,
        history_api(settings, health) as api,
        started_producer(settings, Role.RECONCILER) as sender,
    ):
        await clock.settled()
        lists = TwilioLists(api, settings.twilio_workspace_sid)
        comparison = PeriodComparison(settings, lists, sender, clock.now)
        for period in parts(since, until):
            for task in await comparison.compare(period):
                compared[task.evidence.task_sid] = task.evidence
    return list(compared.values()), await _results(settings, compared, since)


async def _results(
    settings: Settings, compared: Mapping[str, ReconciliationEvidence], since: int
) -> Mapping[str, Reconciliation]:
    """Return the results that take the evidence into account, as far as they arrive in time."""
    deadline = time.monotonic() + WAIT_S
    waiting = SettlingResults(compared, QUIET_S)
    while True:
        is_settled = waiting.take(await results(settings, compared, since), time.monotonic())
        if is_settled or time.monotonic() > deadline:
            return waiting.fresh
        await asyncio.sleep(LOOK_S)
