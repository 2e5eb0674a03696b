"""Reports of handshakes: records, metrics, and a warning in the health check."""

from typing import Any, cast

from gateway.admission.admission import Admission, HandshakeDenied
from gateway.admission.refusals import MAX_REPORTS
from gateway.admission.signature import Verdict
from gateway.metrics import TICKET_SECONDS_OFF
from gateway.publishing.publisher import Publisher
from gateway.sockets.handshakes import HandshakeReports
from pipeline.runtime.telemetry import Health
from pipeline.twilio.tickets import Ticket
from schemas.records import GatewayStarted, HandshakeRefused

TICKET = Ticket("AC1", "CA1", "WT1", 3, 1_700_000_060, "00")


class FakeEvents:
    """Keeps the published records."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes | None, Any]] = []

    def publish(self, topic: str, key: bytes | None, record: Any) -> bool:
        self.records.append((topic, key, record))
        return True


def reports_on(events: FakeEvents) -> HandshakeReports:
    started = GatewayStarted("gateway-0", 7, 7)
    return HandshakeReports(cast("Publisher", events), "stream.events", started, lambda: 5)


def test_a_refused_handshake_with_a_genuine_ticket_is_published_for_its_task():
    """With leg, generation and reason; one without is not."""
    events = FakeEvents()
    reports = reports_on(events)
    reports.refused(HandshakeDenied(Verdict.WRONG_SIGNATURE))
    reports.refused(HandshakeDenied(Verdict.TICKET_EXPIRED, TICKET, 12.5))
    record = HandshakeRefused("WT1", "CA1", 3, "gateway-0", 7, 5, "ticket-expired")
    assert [("stream.events", b"WT1", record)] == events.records


def test_reports_are_bounded():
    """A handshake that is repeated all the time does not fill the topic."""
    events = FakeEvents()
    reports = reports_on(events)
    for _ in range(5 * MAX_REPORTS):
        reports.refused(HandshakeDenied(Verdict.TICKET_USED, TICKET))
    assert MAX_REPORTS <= len(events.records) <= 2 * MAX_REPORTS


def test_the_warning_is_shown_and_the_next_accepted_handshake_clears_it():
    """The process stays healthy all the while."""
    health, reports = Health(), reports_on(FakeEvents())
    reports.refused(HandshakeDenied(Verdict.WRONG_TOKEN))
    reports.show(health)
    assert "wrong-token" in health.warnings["handshakes"]
    assert {} == health.reasons
    reports.accepted(Admission(TICKET))
    reports.show(health)
    assert {} == health.warnings


def test_the_clocks_difference_is_shown_until_a_ticket_is_accepted():
    """A handshake without a ticket says nothing about the clocks."""
    reports = reports_on(FakeEvents())
    reports.refused(HandshakeDenied(Verdict.TICKET_EXPIRED, TICKET, 12.5))
    reports.accepted(Admission(None))
    reports.refused(HandshakeDenied(Verdict.WRONG_SIGNATURE))
    assert 12.5 == TICKET_SECONDS_OFF._value.get()
    reports.accepted(Admission(TICKET))
    assert 0 == TICKET_SECONDS_OFF._value.get()
