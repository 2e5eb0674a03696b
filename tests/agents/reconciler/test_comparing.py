"""A call without events is found in Twilio's lists, and added once by any number of processes."""

from collections import Counter

import pytest

from agents.reconciler.comparing import PeriodComparison
from agents.reconciler.known_tasks import known_tasks
from agents.reconciler.twilio_lists import TwilioLists
from agents.twilio_history.client import HistoryApi
from agents.twilio_history.permits import RequestPermits
from pipeline.calls.added import is_added
from pipeline.reconciliation.windows import TwilioPeriod
from pipeline.runtime.kafka import started_producer
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_rest import RestClient
from schemas.records import CtiEvent, ReconciliationEvidence
from schemas.topics import (
    CTI_EVENTS,
    RECONCILIATION_EVIDENCE,
)
from simulator.media import clock
from tests.agents.reconciler.scene import (
    CREDENTIALS,
    GAVE_UP,
    KNOWN,
    LOST,
    MINUTE,
    prepared,
    records_of,
    reservation_of,
)
from tests.conftest import SettingsFor

pytestmark = pytest.mark.integration


async def test_a_call_with_undelivered_events_is_added_once(
    prefix: str, settings_for: SettingsFor
) -> None:
    """The captured call costs nothing; the chat is left out; a repeat writes nothing. Of the tasks
    that were canceled, only the one without a known end is found."""
    settings, now = settings_for(prefix), clock()
    period = TwilioPeriod("test", now - 60 * MINUTE, now)
    async with (
        prepared(settings, now) as rest,
        RestClient(
            CREDENTIALS.account_sid,
            (CREDENTIALS.account_sid, CREDENTIALS.auth_token),
            rest.url,
            5.0,
        ) as client,
        started_producer(settings, "test") as sender,
    ):
        permits = RequestPermits()
        permits.grant(4)
        api = HistoryApi(client, permits, Health(), pause_s=(0.01, 0.1))
        comparison = PeriodComparison(settings, TwilioLists(api, None), sender, clock)
        first = await comparison.compare(period)
        requests = rest.requests
        again = await comparison.compare(period)
        repeated = rest.requests - requests
    assert {KNOWN: 0, LOST: 4, GAVE_UP: 2} == {each.evidence.task_sid: each.added for each in first}
    assert [0, 0, 0] == [each.added for each in again]
    assert 4 == repeated  # acceptances, two kinds of ends, conferences
    events = [e for e in await records_of(settings, CTI_EVENTS) if isinstance(e, CtiEvent)]
    assert all(is_added(event) for event in events)
    ended = [event.type for event in events if event.task_sid == GAVE_UP]
    assert ["com.twilio.taskrouter.task.canceled", "com.twilio.taskrouter.task.created"] == ended
    events = [event for event in events if event.task_sid != GAVE_UP]
    assert {LOST} == {event.task_sid for event in events}
    assert Counter(
        {
            "com.twilio.voice.status-callback.conference.updated": 1,
            "com.twilio.taskrouter.reservation.created": 1,
            "com.twilio.taskrouter.reservation.accepted": 1,
            "com.twilio.taskrouter.reservation.wrapup": 1,
        }
    ) == Counter(event.type for event in events)
    found = await records_of(settings, RECONCILIATION_EVIDENCE)
    assert {KNOWN: (0, False), LOST: (4, True), GAVE_UP: (2, False)} == {
        e.task_sid: (len(e.added_events), e.is_examined)
        for e in found
        if isinstance(e, ReconciliationEvidence)
    }
    assert 3 == len(found)
    known = await known_tasks(settings, {KNOWN, LOST}, now - 60 * MINUTE)
    assert frozenset({reservation_of(KNOWN)}) == known[KNOWN].accepted
    assert LOST in known
