"""Warnings and reports of refused handshakes."""

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.admission import Admission, HandshakeDenied
from gateway.admission.refusals import MAX_REPORTS, REMEDIES, Refusals
from gateway.admission.signature import Verdict
from gateway.publishing.publisher import Publisher
from gateway.sockets.handshakes import HandshakeReports
from pipeline.runtime.telemetry import Health
from pipeline.twilio.tickets import Ticket
from schemas.records import GatewayStarted, HandshakeRefused

TICKET = Ticket("AC1", "CA1", "WT1", 3, 1_700_000_060, "00")


def test_a_stranger_is_no_reason_to_warn():
    """Anyone can knock without a signature."""
    refusals = Refusals()
    for verdict in (
        Verdict.UNSIGNED,
        Verdict.WRONG_PATH,
        Verdict.NO_TICKET,
    ):
        refusals.refused(verdict, 10.0, genuine=False)
    assert refusals.warning(10.0) is None


def test_a_warning_says_what_is_wrong_and_what_to_check():
    """The last reason counts, with the setting or the clocks behind it."""
    for verdict, word in (
        (Verdict.WRONG_TOKEN, "AUTH_TOKEN"),
        (Verdict.WRONG_SIGNATURE, "AUTH_TOKEN"),
        (Verdict.WRONG_URL, "PUBLIC_URL"),
        (Verdict.TICKET_EXPIRED, "clocks"),
        (Verdict.TICKET_AHEAD, "clocks"),
    ):
        refusals = Refusals()
        refusals.refused(verdict, 10.0, genuine=verdict is not Verdict.WRONG_SIGNATURE)
        warning = refusals.warning(70.0)
        assert warning is not None
        assert f"the last one as {verdict.value}" in warning
        assert word in warning
        assert REMEDIES[verdict] in warning


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stranger", "genuine", "wrong", "accepted", ""]), st.floats(0, 90)
        )
    )
)
def test_a_warning_stands_exactly_while_refusals_are_fresh_and_nothing_was_accepted(steps):
    """Within the last minute, both."""
    refusals, now = Refusals(), 1_000.0
    refused: list[float] = []
    accepted: list[float] = []
    for kind, pause in steps:
        now += pause
        if kind == "accepted":
            refusals.accepted(now)
            accepted.append(now)
        elif kind:
            verdict = Verdict.WRONG_SIGNATURE if kind == "wrong" else Verdict.UNSIGNED
            refusals.refused(verdict, now, genuine=kind == "genuine")
            refused += [] if kind == "stranger" else [now]
        expected = any(now - at <= 60 for at in refused) and not any(
            now - at <= 60 for at in accepted
        )
        assert expected == (refusals.warning(now) is not None)


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
    refusals = Refusals()
    assert MAX_REPORTS == sum(refusals.may_report(50.5) for _ in range(500))
    assert refusals.may_report(51.0)


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
