"""Runs the product over a history's deliveries, as tracker, resolver and stream manager would."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pipeline.calls.aliases import learned
from pipeline.calls.cloud_events import Readable, elements
from pipeline.calls.merge import Folded, fold
from pipeline.calls.view import CallView, view
from pipeline.policy.decide import Decision, decide
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams import manager
from schemas.records import Call, CallStreams, CtiEvent, RecordingDecided, RecordingPolicy
from tests.system.model.verdicts import ListVersion


def record(event: dict[str, Any], arrived_at: int) -> CtiEvent:
    """The record that the bridge makes of a CloudEvent."""
    [element] = elements(json.dumps(event).encode())
    assert isinstance(element, Readable), element
    return CtiEvent(
        event_id=element.event_id,
        source=element.source,
        type=element.type,
        time=element.time,
        arrived_at=arrived_at,
        task_sid=element.task_sid,
        call_sid=element.call_sid,
        body=element.body,
        kinesis_stream="flex-events",
        shard_id="shardId-0",
        sequence_number="1",
    )


def history(versions: Iterable[ListVersion]) -> PolicyHistory:
    """The versions of the list, as the product knows them."""
    return PolicyHistory.of(
        RecordingPolicy(
            version=v.version,
            published_at=v.holds_from - 1_500,
            effective_at=v.holds_from,
            entries=v.lines,
            record_inbound=v.inbound,
            record_outbound=v.outbound,
        )
        for v in versions
    )


def folded(events: list[CtiEvent]) -> Call:
    """Return the call after these events."""
    call: Call | None = None
    for each in events:
        outcome = fold(call, each)
        if isinstance(outcome, Folded):
            call = outcome.call
    assert call is not None
    return call


class Product:
    """One call's tracker, resolver and stream manager. `call` is the latest version,
    `decisions` the decisions published so far: when, and what."""

    def __init__(self, task_sid: str, versions: Iterable[ListVersion]) -> None:
        self.call: Call | None = None
        self.streams: CallStreams | None = None
        self.decisions: list[tuple[int, str]] = []
        self._task_sid = task_sid
        self._history = history(versions)
        self._legs: set[str] = set()
        self._waiting: list[CtiEvent] = []

    def deliver(self, now: int, event: dict[str, Any], arrived_at: int) -> None:
        """Deliver an event; one that names no task waits until its leg is known. Events that waited
        for this one are delivered at the same moment: decisions between them are not compared."""
        self._waiting.append(record(event, arrived_at))
        before = self.call
        while ready := [e for e in self._waiting if e.task_sid or e.call_sid in self._legs]:
            self._waiting = [e for e in self._waiting if e not in ready]
            for each in ready:
                self._fold(each)
        if self.call is not None and (before is None or self.call.revision > before.revision):
            following = manager.on_record(
                self._task_sid, self.streams, self.call, self._history, now
            )
            self._apply(following)

    def pass_time(self, now: int) -> None:
        """A tick."""
        if self.streams is not None:
            self._apply(manager.on_tick(self.streams, self._history, now))

    @property
    def seen(self) -> CallView | None:
        """The call as it is understood."""
        return None if self.call is None else view(self.call)

    def decision(self, now: int) -> Decision | None:
        """What the policy says of it at `now`."""
        if self.call is None or self.streams is None:
            return None
        return decide(view(self.call), self._history, now, self.streams.alone_since)

    def _fold(self, event: CtiEvent) -> None:
        outcome = fold(self.call, replace(event, task_sid=self._task_sid))
        if isinstance(outcome, Folded):
            self._legs |= {alias.call_sid for alias in learned(self.call, outcome.call)}
            self.call = outcome.call

    def _apply(self, following: manager.Next) -> None:
        self.streams = following.state
        self.decisions += [
            (t.at, t.decision) for t in following.outputs if isinstance(t, RecordingDecided)
        ]
