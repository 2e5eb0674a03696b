"""Report handshakes: records on `stream.events`, metrics, and a warning in the health check."""

import time
from collections.abc import Callable

from gateway.admission.admission import Admission, HandshakeDenied
from gateway.admission.refusals import Refusals
from gateway.metrics import TICKET_SECONDS_OFF
from gateway.publishing.publisher import Publisher
from pipeline.runtime.telemetry import Health
from schemas.records import GatewayStarted, HandshakeRefused


class HandshakeReports:
    """The reports of one gateway. `started`: its announcement; `clock`: log time, ms."""

    def __init__(
        self, events: Publisher, topic: str, started: GatewayStarted, clock: Callable[[], int]
    ) -> None:
        self._events = events
        self._topic = topic
        self._started = started
        self._clock = clock
        self._refusals = Refusals()

    def accepted(self, admission: Admission) -> None:
        """Count an accepted handshake."""
        self._refusals.accepted(time.monotonic())
        if admission.ticket is not None:
            TICKET_SECONDS_OFF.set(0)

    def refused(self, refused: HandshakeDenied) -> None:
        """Count a refused handshake. If its ticket is genuine, its call is not recorded: publish
        that, up to `MAX_REPORTS` times a second."""
        now = time.monotonic()
        self._refusals.refused(refused.verdict, now, genuine=refused.ticket is not None)
        if refused.seconds_off:
            TICKET_SECONDS_OFF.set(refused.seconds_off)
        if refused.ticket is not None and self._refusals.may_report(now):
            record = HandshakeRefused(
                task_sid=refused.ticket.task_sid,
                call_sid=refused.ticket.call_sid,
                generation=refused.ticket.generation,
                gateway=self._started.gateway,
                epoch=self._started.epoch,
                at=self._clock(),
                reason=refused.verdict.value,
                detail=refused.signed_form,
            )
            self._events.publish(self._topic, record.task_sid.encode(), record)

    def show(self, health: Health) -> None:
        """Set or clear the warning in the health check."""
        warning = self._refusals.warning(time.monotonic())
        if warning is None:
            health.clear_warning("handshakes")
        else:
            health.warn("handshakes", warning)
