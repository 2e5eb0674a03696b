"""A call's events, in the orders in which the model needs them. Pure."""

import json
from collections.abc import Collection, Sequence

from schemas.records import Call, CtiEvent
from schemas.topics import CTI_EVENTS, CTI_RESOLVED
from tests.system.chaos.topics import TopicRecord
from tests.system.model.verdicts import Delivery


def listed_only(records: Sequence[TopicRecord]) -> frozenset[str]:
    """Return the call SIDs that events of the task never name. The pipeline learned from Twilio's
    lists that the legs are the call's: events of them are on `cti.resolved`."""
    events = [t for t in records if isinstance(t.record, CtiEvent)]
    of_task = [t for t in events if t.topic == CTI_EVENTS.name and t.record.task_sid is not None]
    named = "".join(t.record.body for t in of_task)
    resolved = {t.record.call_sid for t in events if t.topic == CTI_RESOLVED.name}
    return frozenset(sid for sid in resolved if sid is not None and sid not in named)


def deliveries(records: Sequence[TopicRecord], legs: Collection[str] = ()) -> list[Delivery]:
    """Return the events on `cti.events`, each at the time of its record, and the events of `legs`
    (call SIDs) from `cti.resolved`: only then did the pipeline know their call."""
    return [
        (t.at, json.loads(t.record.body), t.record.arrived_at)
        for t in records
        if isinstance(t.record, CtiEvent)
        and t.topic == (CTI_RESOLVED if t.record.call_sid in legs else CTI_EVENTS).name
    ]


def as_handled(records: Sequence[TopicRecord]) -> list[Delivery]:
    """The events in the order in which the tracker took them in, each at the time of the version
    that it caused; one that caused none comes with the one before it on its partition."""
    versions_of = [one for one in records if isinstance(one.record, Call)]
    caused = {one.record.cause_event_id: one for one in reversed(versions_of)}
    events = [one for one in records if isinstance(one.record, CtiEvent)]
    resolved = {one.record.event_id for one in events if one.topic == CTI_RESOLVED.name}
    places = []
    latest: dict[tuple[str, int], tuple[int, int]] = {}
    for one in sorted(events, key=lambda one: (one.topic, one.partition, one.offset)):
        if one.topic == CTI_EVENTS.name and one.record.event_id in resolved:
            continue
        before = latest.get((one.topic, one.partition), (one.at, 0))
        version = caused.get(one.record.event_id)
        place = max(before, (version.at, version.record.revision) if version else before)
        latest[one.topic, one.partition] = place
        places.append((place, one.offset, one))
    found: list[Delivery] = []
    at = 0
    for place, _, one in sorted(places, key=lambda item: item[:2]):
        at = max(at + 1, place[0])  # in this order, even if several have the same time
        found.append((at, json.loads(one.record.body), one.record.arrived_at))
    return found
