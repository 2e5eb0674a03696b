"""Evidence and rows of Twilio's lists, by hand and by Hypothesis."""

from typing import Any

from hypothesis import strategies as st

from schemas.records import (
    AcceptedReservation,
    EndedConference,
    ReconciliationEvidence,
    TwilioRecording,
)
from tests.pipeline.contacts.records import LEG, NOON, TASK

WR, CF, RE, WK, EV, WS = ("WR" + "1" * 32, "CF" + "2" * 32, "RE" + "3" * 32, "WK" + "4" * 32,
                          "EV" + "5" * 32, "WS" + "6" * 32)  # fmt: skip
ACCEPTED = AcceptedReservation(WR, WK, "ann", NOON + 2_000)
CONFERENCE = EndedConference(CF, NOON + 2_000, NOON + 32_000)
RECORDING = TwilioRecording(RE, LEG, CF, "completed", NOON + 2_000, 30_000, 2)


def evidence(**changes: Any) -> ReconciliationEvidence:
    own: dict[str, Any] = {
        "task_sid": TASK,
        "reservations": (ACCEPTED,),
        "conferences": (CONFERENCE,),
        "recordings": (),
        "added_events": (),
        "is_examined": False,
        "checked_at": NOON + 60_000,
    }
    return ReconciliationEvidence(**own | changes)


def event_row(kind: str = "reservation.accepted", **changes: Any) -> dict[str, Any]:
    """A row of TaskRouter's events."""
    data = {
        "task_sid": TASK,
        "reservation_sid": WR,
        "worker_sid": WK,
        "worker_name": "ann",
        "task_channel_unique_name": "voice",
        "task_attributes": '{"direction": "inbound", "call_sid": "' + LEG + '"}',
        "worker_attributes": '{"email": "ann@example.com"}',
    }
    return {
        "sid": EV,
        "event_type": kind,
        "event_date": "2026-05-28T20:26:42Z",
        "event_date_ms": NOON + 2_000,
        "event_data": data,
        "resource_sid": WR,
        "resource_type": "reservation",
    } | changes


_TIMES = st.none() | st.integers(NOON, NOON + 5)
_NUMBERS = st.sampled_from("123")
RESERVATIONS = st.builds(
    AcceptedReservation,
    _NUMBERS.map("WR{}".format),
    st.none() | st.just(WK),
    st.none() | st.sampled_from(["ann", "bob"]),
    st.integers(NOON, NOON + 3),
)
CONFERENCES = st.builds(
    EndedConference,
    _NUMBERS.map("CF{}".format),
    _TIMES,
    _TIMES,
    st.lists(_NUMBERS.map("CA{}".format), max_size=2, unique=True).map(sorted).map(tuple),
)
RECORDINGS = st.builds(
    TwilioRecording,
    _NUMBERS.map("RE{}".format),
    st.none() | st.just(LEG),
    st.none() | st.just(CF),
    st.sampled_from(["in-progress", "completed", "deleted", "absent", "unheard-of"]),
    _TIMES,
    st.none() | st.integers(0, 3),
    st.integers(0, 2),
)


def _unique(values: Any, name: str) -> Any:
    return st.lists(values, max_size=3, unique_by=lambda v: getattr(v, name)).map(
        lambda found: tuple(sorted(found, key=lambda v: getattr(v, name)))
    )


FINDINGS = st.builds(
    ReconciliationEvidence,
    st.just(TASK),
    _unique(RESERVATIONS, "reservation_sid"),
    _unique(CONFERENCES, "conference_sid"),
    _unique(RECORDINGS, "recording_sid"),
    st.lists(_NUMBERS, max_size=2, unique=True).map(sorted).map(tuple),
    st.booleans(),
    st.integers(NOON, NOON + 5),
)
