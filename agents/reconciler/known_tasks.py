"""The known state of tasks: their contacts, calls and earlier evidence, read from the log."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from pipeline.reconciliation.comparison import NOTHING, KnownTask, known_contact
from pipeline.reconciliation.evidence import merged
from pipeline.reconciliation.windows import HOUR_MS
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from schemas.codec import Undecodable, decode
from schemas.records import Call, Contact, Reconciliation, ReconciliationEvidence
from schemas.topics import CALLS, CONTACTS, RECONCILIATION_EVIDENCE, RECONCILIATIONS, Topic

_Known = Call | Contact | Reconciliation | ReconciliationEvidence


async def known_tasks(
    settings: Settings, task_sids: Collection[str], begins_at: int
) -> Mapping[str, KnownTask]:
    """Return the contacts and evidence of the tasks on the log. Their calls must have begun at
    `begins_at` (ms) or later: the latest version of a contact is written after its call began."""
    found: dict[str, KnownTask] = {}
    topics = (CONTACTS, RECONCILIATION_EVIDENCE)
    for record in await _records(settings, topics, task_sids, begins_at):
        known = found.get(record.task_sid, NOTHING)
        if isinstance(record, Contact):
            found[record.task_sid] = known_contact(record, known)
        elif isinstance(record, ReconciliationEvidence):
            evidence = record if known.evidence is None else merged(known.evidence, record)
            found[record.task_sid] = replace(known, evidence=evidence)
    return found


async def ended_calls(
    settings: Settings, task_sids: Collection[str], begins_at: int
) -> frozenset[str]:
    """Return those of the tasks with a known end. This includes tasks without a contact, which are
    no calls of a customer."""
    records = await _records(settings, (CALLS,), task_sids, begins_at)
    return frozenset(e.task_sid for e in records if isinstance(e, Call) and e.ended_at is not None)


async def results(
    settings: Settings, task_sids: Collection[str], begins_at: int
) -> dict[str, Reconciliation]:
    """Return the latest results for the tasks."""
    records = await _records(settings, (RECONCILIATIONS,), task_sids, begins_at)
    return {each.task_sid: each for each in records if isinstance(each, Reconciliation)}


async def _records(
    settings: Settings, topics: Collection[Topic], task_sids: Collection[str], begins_at: int
) -> list[_Known]:
    if not task_sids:
        return []
    keys = {sid.encode() for sid in task_sids}
    found = []
    log = Log(settings, lambda *_: None)
    await log.start()
    try:
        since = max(0, begins_at - HOUR_MS)
        for topic in topics:
            spans = [await log.span(topic, n, since=since) for n in range(topic.partitions)]
            latest: dict[bytes, list[bytes]] = {}
            async for record in log.read_all(spans):
                if record.key in keys and record.value is not None:
                    values = latest.setdefault(record.key, [])
                    if topic is not RECONCILIATION_EVIDENCE:
                        values.clear()  # only the last version counts
                    values.append(record.value)
            found += [_decoded(value) for values in latest.values() for value in values]
    finally:
        await log.stop()
    return [record for record in found if record is not None]


def _decoded(value: bytes) -> _Known | None:
    try:
        record = decode(value)
    except Undecodable:
        return None
    return record if isinstance(record, _Known) else None
