"""Events of legs that only Twilio's lists show count from their record on `cti.resolved`."""

import json
from dataclasses import replace

from schemas.records import CtiEvent
from schemas.topics import CTI_EVENTS, CTI_RESOLVED, Topic
from tests.system.chaos.deliveries import deliveries, listed_only
from tests.system.chaos.topics import TopicRecord

NAMED, LISTED = "CA" + "1" * 32, "CA" + "2" * 32
TASK = "WT" + "1" * 32


def test_a_leg_that_the_task_names_is_not_a_listed_one() -> None:
    """Each event counts once, at the time when the pipeline could know its call."""
    records = [
        _record(CTI_EVENTS, 1, "task", TASK, None, words={"call_sid": NAMED}),
        _record(CTI_EVENTS, 2, "named", None, NAMED),
        _record(CTI_EVENTS, 3, "listed", None, LISTED),
        _record(CTI_RESOLVED, 4, "named", TASK, NAMED),
        _record(CTI_RESOLVED, 9, "listed", TASK, LISTED),
    ]
    legs = listed_only(records)
    assert legs == {LISTED}
    found = [(at, event["id"]) for at, event, _ in deliveries(records, legs)]
    assert found == [(1, "task"), (2, "named"), (9, "listed")]
    assert [at for at, _, _ in deliveries(records)] == [1, 2, 3]


def _record(
    topic: Topic, at: int, event_id: str, task: str | None, leg: str | None, *, words: object = None
) -> TopicRecord:
    body = json.dumps({"id": event_id, "leg": leg, "words": words})
    event = replace(_EVENT, event_id=event_id, task_sid=task, call_sid=leg, body=body)
    return TopicRecord(topic.name, 0, at, at, None, event)


_EVENT = CtiEvent("", "", "", None, 0, None, None, "", "", "", "")
