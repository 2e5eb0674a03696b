"""What the log knows of tasks."""

from dataclasses import replace

import pytest

from agents.reconciler.known_tasks import ended_calls, known_tasks, results
from pipeline.runtime.kafka import producer
from pipeline.runtime.kafka_start import ensure_topics
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import Reconciliation
from schemas.topics import CALLS, CONTACTS, RECONCILIATION_EVIDENCE, RECONCILIATIONS, Topic
from simulator.media import clock
from tests.conftest import SettingsFor
from tests.pipeline.contacts.records import NOON, TASK, call
from tests.pipeline.reconciliation.records import CF, RECORDING, evidence
from tests.pipeline.store.contacts import CONTACT

pytestmark = pytest.mark.integration
OTHER = "WT" + "b" * 32


async def published(settings: Settings, *records: tuple[Topic, str, bytes]) -> None:
    sender = producer(settings)
    await sender.start()
    for topic, key, value in records:
        await sender.send_and_wait(settings.prefixed(topic.name), value, key.encode())
    await sender.stop()


async def test_the_last_contact_and_all_evidence_count(
    prefix: str, settings_for: SettingsFor
) -> None:
    """Of the tasks that were asked for only; values that cannot be read are passed over."""
    settings = settings_for(prefix)
    await ensure_topics(settings, [CONTACTS, RECONCILIATION_EVIDENCE, RECONCILIATIONS])
    first = replace(CONTACT, task_sid=TASK, capture="pending")
    result = Reconciliation(TASK, "lost", "", 1, (), (), (), 0, 1, 1)
    await published(
        settings,
        (CONTACTS, TASK, encode(first)),
        (CONTACTS, TASK, encode(replace(first, capture="missing"))),
        (CONTACTS, OTHER, encode(replace(first, task_sid=OTHER))),
        (RECONCILIATION_EVIDENCE, TASK, b"junk"),
        (RECONCILIATION_EVIDENCE, TASK, encode(evidence())),
        (RECONCILIATION_EVIDENCE, TASK, encode(evidence(recordings=(RECORDING,)))),
        (RECONCILIATIONS, TASK, encode(result)),
        (RECONCILIATIONS, TASK, encode(replace(result, result="recovered"))),
    )
    now = clock()
    known = await known_tasks(settings, {TASK}, now)
    assert {TASK} == known.keys()
    assert "missing" == known[TASK].capture
    found = known[TASK].evidence
    assert found is not None
    assert ((RECORDING,), [CF]) == (
        found.recordings,
        [c.conference_sid for c in found.conferences],
    )
    assert {TASK: "recovered"} == {
        sid: each.result for sid, each in (await results(settings, {TASK, OTHER}, now)).items()
    }
    assert {} == await known_tasks(settings, set(), now)


async def test_the_last_version_of_a_call_says_whether_it_has_ended(
    prefix: str, settings_for: SettingsFor
) -> None:
    """A call in progress, and one that is not known, have not ended."""
    settings = settings_for(prefix)
    await ensure_topics(settings, [CALLS])
    ended = replace(call(), ended_at=NOON)
    await published(
        settings,
        (CALLS, TASK, encode(call())),
        (CALLS, TASK, encode(ended)),
        (CALLS, OTHER, encode(replace(call(), task_sid=OTHER))),
    )
    assert {TASK} == await ended_calls(settings, {TASK, OTHER, "WT" + "c" * 32}, clock())
