"""Names of workers, and legs that two tasks name, through tracker and resolver on a real Kafka."""

import json
import time

import pytest

from agents import resolver, tracker
from agents.policy_topic import reading_policy
from pipeline.runtime.kafka import ensure_topics
from schemas.records import Call, LegContested, Worker
from schemas.topics import CALLS, CTI_EVENTS, CTI_RESOLVED, POLICY, WORKERS
from tests.conftest import SettingsFor
from tests.integration.faust_roles import publish, reading, role_running
from tests.pipeline.calls.histories import (
    CUSTOMER_LEG,
    Story,
    worker_attributes,
    worker_sid,
)

pytestmark = pytest.mark.integration

NOW = int(time.time() * 1000)
FIRST, SECOND = "WT" + "1" * 32, "WT" + "2" * 32
ANN = worker_sid("ann")


def inbound(task_sid: str, email: str) -> Story:
    """Return a call with ann under that e-mail address."""
    attributes = {"call_sid": CUSTOMER_LEG, "from": "+15550100", "direction": "inbound"}
    worker = json.dumps(worker_attributes("ann", email=email))
    story = Story(task_sid=task_sid, attributes=attributes, t0=NOW).task("created", 0)
    for event in story.reservation("created", 500, "ann", worker_attributes=worker).events:
        object.__setattr__(event, "event_id", f"{task_sid}{event.event_id}")
    return story


async def test_names_accumulate_across_tasks_and_a_shared_leg_is_reported_to_both(
    settings_for: SettingsFor, prefix: str
) -> None:
    """Every decider reads both names; each task's call says that the other one has its leg."""
    trackers, resolvers = settings_for(prefix, instance="t"), settings_for(prefix, instance="r")
    await ensure_topics(trackers, [POLICY, WORKERS])
    async with (
        reading(trackers, WORKERS) as workers,
        reading(trackers, CTI_RESOLVED) as resolved,
        reading(trackers, CALLS) as calls,
        role_running(resolver.run, resolvers),
        role_running(tracker.run, trackers),
        reading_policy(trackers, with_workers=True) as policy,
    ):
        for task_sid, email in ((FIRST, "ann@example.com"), (SECOND, "new@example.com")):
            events = [(task_sid, event) for event in inbound(task_sid, email).events]
            await publish(trackers, CTI_EVENTS, events, transaction="t")
            await workers.until(lambda seen, email=email: any(_knows(w, email) for w in seen))
        contested = await resolved.until(lambda seen: len(_contested(seen)) >= 2)
        versions = await calls.until(lambda seen: len(_of_both(seen)) == 2)
        await policy.catch_up()
        known = policy.history.workers.words_at(ANN, NOW + 10**9)

    assert {"ann@example.com", "new@example.com"} <= known
    assert (1, 0) == (policy.history.workers.renamed, policy.history.workers.shared_emails)
    assert {(FIRST, SECOND), (SECOND, FIRST)} == _contested(contested)
    assert {FIRST, SECOND} == _of_both(versions)


def _knows(worker: Worker, email: str) -> bool:
    return email in {identity.value for identity in worker.identities}


def _contested(records: list[object]) -> set[tuple[str, str]]:
    found = [record for record in records if isinstance(record, LegContested)]
    return {(each.task_sid, each.other_task_sid) for each in found}


def _of_both(versions: list[Call]) -> set[str]:
    """The calls that know of the other task."""
    legs = [(call.task_sid, leg) for call in versions for leg in call.legs]
    return {task_sid for task_sid, leg in legs if "other_task" in leg.facts}
