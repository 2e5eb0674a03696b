"""Contacts to store: one by hand, and any by Hypothesis."""

from dataclasses import replace

from hypothesis import strategies as st

from schemas.records import (
    Contact,
    ContactConnection,
    ContactDecision,
    ContactGap,
    ContactRecording,
    ContactStream,
    ReconciledPart,
    Reconciliation,
    Session,
)

NOON = 1_780_000_000_000

RECORDING = ContactRecording(
    inum="178000000200000042",
    call_sid="CA" + "c" * 32,
    stream_sid="MZ" + "d" * 32,
    extension="ann@example.com",
    extensions=("ann@example.com", "bob@example.com"),
    state="complete",
    started_at=NOON + 2_000,
    duration_ms=20_000,
    received=2_000,
    lost=3,
    duplicate=1,
    invalid=0,
    audio="2026/05/28/178000000200000042.wav",
    manifest="2026/05/28/178000000200000042.json",
    recording_id="178000000200000042-0123456789abcdef",
    lost_for={"not-received": 2, "not-sent": 1},
)

CONTACT = Contact(
    contact_id="WT" + "a" * 32,
    task_sid="WT" + "a" * 32,
    direction="inbound",
    customer="+15550001111",
    queue="Billing",
    started_at=NOON,
    ended_at=NOON + 30_000,
    state="ended",
    outcome="answered",
    sessions=(
        Session("WR" + "1" * 32, "ann@example.com", True, NOON + 2_000, NOON + 12_000),
        Session("WR" + "2" * 32, "bob@example.com", True, NOON + 11_000, NOON + 30_000),
        Session("WR" + "3" * 32, "eve@example.com", False, None, NOON + 9_000),
    ),
    recordings=(RECORDING,),
    decisions=(
        ContactDecision(NOON + 2_000, "record", "started: ann@example.com is active", 3),
        ContactDecision(NOON + 30_000, "stop", "stopped: call ended", 3),
    ),
    connections=(),
    streams=(ContactStream(1, "MZ" + "d" * 32, "CA" + "c" * 32, "fc-1", "stopped", "done"),),
    call_sids=("CA" + "c" * 32, "CA" + "e" * 32),
    in_progress=False,
    revision=NOON + 31_000,
    updated_at=NOON + 31_000,
    gaps=(ContactGap(NOON + 22_000, NOON + 30_000, RECORDING.inum, "", "socket-dropped"),),
    capture="partial",
    required_ms=28_000,
    captured_ms=19_980,
)


def numbered(number: int, **changes: object) -> Contact:
    """A contact of its own, without recordings, `number` minutes after noon."""
    task_sid = f"WT{number:032x}"
    values = {
        "contact_id": task_sid,
        "task_sid": task_sid,
        "recordings": (),
        "gaps": (),
        "capture": "not-required",
        "required_ms": 0,
        "captured_ms": 0,
        "started_at": NOON + number * 60_000,
        "call_sids": (f"CA{number:032x}",),
        **changes,
    }
    return replace(CONTACT, **values)  # type: ignore[arg-type]


LIVE = numbered(
    7,
    state="active",
    outcome=None,
    ended_at=None,
    in_progress=True,
    connections=(ContactConnection("ann@example.com", "active"), ContactConnection(None, "hold")),
    streams=(ContactStream(1, None, "CA" + "c" * 32, "fc-1", "starting", "asked for"),),
)

_texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=12)
_times = st.integers(0, 2**45)
_maybe_times = st.none() | _times

_sessions = st.builds(
    Session,
    st.uuids().map(lambda u: "WR" + u.hex),
    st.none() | _texts,
    st.booleans(),
    _maybe_times,
    _maybe_times,
)
_decisions = st.builds(
    ContactDecision, _times, st.sampled_from(["record", "stop"]), _texts, st.integers(0, 9)
)
_streams = st.builds(
    ContactStream, st.integers(1, 9), st.none() | _texts, st.none(), st.none(), _texts, _texts
)
_recordings = st.builds(
    lambda sid, recording: replace(
        recording,
        stream_sid="MZ" + sid.hex,
        inum=str(sid.int)[:18],
        recording_id=f"{str(sid.int)[:18]}-{sid.hex[:16]}",
    ),
    st.uuids(),
    st.builds(
        ContactRecording,
        inum=st.just(""),
        call_sid=_texts,
        stream_sid=st.just(""),
        extension=st.none() | _texts,
        extensions=st.lists(_texts, max_size=3).map(tuple),
        state=st.sampled_from(["recording", "complete"]),
        started_at=_times,
        duration_ms=_maybe_times,
        received=_times,
        lost=_times,
        duplicate=_times,
        invalid=_times,
        audio=st.none() | _texts,
        manifest=st.none() | _texts,
        supplement_of=_texts,
        source=st.sampled_from(["stream", "twilio-recording"]),
        lost_for=st.dictionaries(_texts, _times, max_size=2),
        lost_at_end=_times,
        withheld=_times,
        withheld_ms=_times,
    ),
)


_parts = st.lists(st.builds(ReconciledPart, _texts, _texts, _texts), max_size=2).map(tuple)
_reconciliations = st.builds(
    Reconciliation,
    task_sid=_texts,
    result=st.sampled_from(["captured", "partial", "recovered", "lost", "excluded"]),
    reason=_texts,
    policy_version=st.integers(0, 9),
    reservations=_parts,
    conferences=_parts,
    recording_sids=st.lists(_texts, max_size=2).map(tuple),
    added_events=st.integers(0, 99),
    checked_at=_times,
    updated_at=_times,
)
_gaps = st.builds(ContactGap, _times, _times, _texts, _texts, _texts, _texts)


def _contact(task: str, values: dict[str, object]) -> Contact:
    return replace(CONTACT, contact_id=task, task_sid=task, **values)  # type: ignore[arg-type]


contacts = st.builds(
    _contact,
    st.uuids().map(lambda u: "WT" + u.hex),
    st.fixed_dictionaries(
        {
            "customer": st.none() | _texts,
            "queue": st.none() | _texts,
            "started_at": _times,
            "ended_at": _maybe_times,
            "sessions": st.lists(_sessions, max_size=3).map(tuple),
            "recordings": st.lists(_recordings, max_size=2)
            .map(lambda found: sorted(found, key=lambda r: (r.started_at, r.inum)))
            .map(tuple),
            "decisions": st.lists(_decisions, max_size=3, unique_by=lambda d: (d.at, d.decision))
            .map(lambda found: sorted(found, key=lambda d: (d.at, d.decision)))
            .map(tuple),
            "streams": st.lists(_streams, max_size=2).map(tuple),
            "call_sids": st.sets(_texts, max_size=3).map(sorted).map(tuple),
            "in_progress": st.booleans(),
            "gaps": st.lists(_gaps, max_size=2).map(tuple),
            "capture": st.sampled_from(["complete", "partial", "missing", "pending"]),
            "required_ms": _times,
            "captured_ms": _times,
            "revision": _times,
            "updated_at": _times,
            "reconciliation": st.none() | _reconciliations,
        }
    ),
)
