"""The contact, case by case, as the console's contract says."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from pipeline.contacts import contact as contacts
from pipeline.contacts.capture import AWAITED_MS
from pipeline.contacts.contact import contact, is_settled, unmatched
from pipeline.contacts.state import Input, empty, fold
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.marks import NoLeg
from schemas.codec import decode, encode
from schemas.records import (
    Call,
    CommandAnswered,
    Contact,
    ContactContradiction,
    Leg,
    RecordingPolicy,
    Session,
)
from tests.examples import examples
from tests.pipeline.contacts.records import (
    HISTORY,
    LEG,
    NOON,
    POLICY,
    TASK,
    answered,
    call,
    changed,
    completed,
    decided,
    fact,
    histories,
    opened,
    reservation,
    started,
    supplement,
)

ANN = reservation(1, "ann", created=1_000, accepted=2_000)
ANN_LEFT = reservation(1, "ann", created=1_000, accepted=2_000, wrapup=30_000)
EVE = reservation(3, "eve", created=0, accepted=500, wrapup=40_000)
NEVER = reservation(1, "ann", created=1_000, rejected=5_000)
LATER = NOON + 100_000


def made(*records: Input, history: PolicyHistory = HISTORY, now: int = LATER) -> Contact | None:
    state = empty(TASK)
    for record in records:
        state = fold(state, record, NOON)
    return contact(state, history, now)


def of(*records: Input, history: PolicyHistory = HISTORY, now: int = LATER) -> Contact:
    found = made(*records, history=history, now=now)
    assert found is not None
    return found


@settings(max_examples=examples(60), deadline=None)
@given(histories())
def test_a_contact_can_be_made_of_anything(records: list[Input]) -> None:
    """Of any history comes a whole contact or none, which encodes, and whose parts fit."""
    found = made(*records)
    if found is None:
        return
    assert found == decode(encode(found))
    assert (found.state == "ended") == (found.ended_at is not None)
    assert found.outcome is not None or found.state == "active"
    assert found.in_progress == (found.state == "active")
    assert all(r.extension in (r.extensions or (None,)) for r in found.recordings)
    assert all((r.state == "complete") == (r.audio is not None) for r in found.recordings)
    assert not any(s.monitored for s in found.sessions if s.started_at is None)
    assert 0 <= found.captured_ms <= found.required_ms
    assert sum(g.ended_at - g.started_at for g in found.gaps) <= found.required_ms
    assert (found.capture == "not-required") == (found.required_ms == 0)
    assert found.capture != "complete" or not found.gaps
    assert found.capture not in ("partial", "missing") or found.gaps
    assert found.capture != "missing" or found.captured_ms == 0


@pytest.mark.parametrize(
    "records",
    [
        (),
        (started(1, 0),),
        (call(),),
        (call(ANN, facts={"channel": "chat"}),),
    ],
)
def test_what_is_no_contact(records: tuple[Input, ...]) -> None:
    """Nothing of the call known, neither reservation nor cancellation, or no voice task."""
    assert made(*records) is None


def test_an_answered_call() -> None:
    """Facts, session, decision and recording of a plain inbound call."""
    found = of(
        call(ANN_LEFT, completed=31_000),
        decided(2_000, "record"),
        decided(30_000, "stop"),
        completed(1, 2_300, 30_100),
    )
    assert (TASK, "inbound", "+15550001111", "Billing") == (
        found.contact_id, found.direction, found.customer, found.queue,
    )  # fmt: skip
    assert ("ended", "answered", NOON, NOON + 30_000) == (
        found.state, found.outcome, found.started_at, found.ended_at,
    )  # fmt: skip
    assert (Session("WR1", "ann@example.com", True, NOON + 2_000, NOON + 30_000),) == found.sessions
    assert ["record", "stop"] == [d.decision for d in found.decisions]
    (recording,) = found.recordings
    assert ("ann@example.com", ("ann@example.com",), 27_800, "complete") == (
        recording.extension, recording.extensions, recording.duration_ms, recording.state,
    )  # fmt: skip
    assert (2_780, 1, 2, 3) == (
        recording.received, recording.lost, recording.duplicate, recording.invalid,
    )  # fmt: skip
    assert (LEG,) == found.call_sids


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        ((call(reservation(1, "ann", created=0)),), None),
        ((call(ANN),), "answered"),
        ((call(ANN_LEFT, completed=31_000),), "answered"),
        ((call(canceled=9_000),), "abandoned"),
        ((call(NEVER, canceled=9_000),), "abandoned"),
        ((call(NEVER, canceled=9_000, direction=None),), "abandoned"),
        ((call(NEVER, completed=9_000),), "unanswered"),
        ((call(NEVER, canceled=9_000, direction="internal"),), "unanswered"),
        ((call(NEVER, canceled=9_000, direction="outbound"),), "unanswered"),
    ],
)
def test_outcomes(records: tuple[Input, ...], outcome: str | None) -> None:
    """Answered once accepted; abandoned if the caller gave up; otherwise unanswered; null while
    nothing is decided."""
    assert outcome == of(*records).outcome


def without_leg(made: Call) -> Call:
    """The same task, of which no event names a leg."""
    return replace(made, facts={k: f for k, f in made.facts.items() if k != "customer_call_sid"})


JOINED = Leg("CA" + "e" * 32, {}, {"joined": NOON + 9_000})


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        ((without_leg(call(ANN)),), None),
        ((without_leg(call(ANN_LEFT, completed=31_000)),), "unanswered"),
        ((without_leg(call(ANN_LEFT, direction=None, completed=31_000)),), "unanswered"),
        ((without_leg(call(ANN_LEFT, direction="outbound", completed=31_000)),), "unanswered"),
        ((without_leg(call(ANN_LEFT, direction="internal", completed=31_000)),), "answered"),
        ((without_leg(call(ANN)), opened(1)), "answered"),
        ((without_leg(call(ANN_LEFT, completed=31_000)), answered("done")), "answered"),
        ((replace(without_leg(call(ANN)), legs=(JOINED,)),), "answered"),
        ((without_leg(call(ANN, facts={"worker_call_sid": LEG})),), "answered"),
        ((without_leg(call(ANN, facts={"conference_sid": "CF1"})),), None),
    ],
)
def test_a_task_becomes_a_call_when_a_leg_appears(
    records: tuple[Input, ...], outcome: str | None
) -> None:
    """Until then it is not answered, though an agent has it: a callback, or voicemail."""
    assert outcome == of(*records).outcome


NOTHING = replace(
    completed(1, 0, 0), received=0, lost=0, withheld=0, invalid=0, duplicate=0, overlap=0
)
OUT = call(ANN_LEFT, direction="outbound", completed=31_000)
RINGING = call(ANN, direction="outbound")


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        ((RINGING,), None),
        ((RINGING, answered("expired", 21220)), None),
        ((RINGING, opened(1)), "answered"),
        ((RINGING, changed(1, "running")), "answered"),
        ((OUT,), "answered"),
        ((OUT, answered("expired", 21220)), "unanswered"),
        ((OUT, answered("superseded", None, NoLeg.NOBODY.value)), "unanswered"),
        ((OUT, answered("no-conference", None, NoLeg.NO_CONFERENCE.value)), "unanswered"),
        ((OUT, answered("superseded", None, NoLeg.RINGING.value)), "unanswered"),
        ((OUT, answered("failed", 429)), "answered"),
        ((OUT, answered("expired", 503)), "answered"),
        ((OUT, changed(1, "stopping")), "unanswered"),
        ((OUT, changed(1, "stopped"), answered("expired", 503)), "answered"),
        ((OUT, answered("expired", 21220), answered("done")), "answered"),
        ((OUT, answered("expired", 21220), completed(1, 0, 9)), "answered"),
        ((call(ANN_LEFT, direction="outbound", canceled=31_000),), "unanswered"),
        ((call(ANN_LEFT, direction="outbound", canceled=31_000), opened(1)), "answered"),
        ((OUT, opened(1), answered("done"), NOTHING), "unanswered"),
        ((OUT, opened(1), opened(2), answered("done"), NOTHING), "answered"),
        ((OUT, opened(1), NOTHING, completed(2, 0, 9)), "answered"),
        ((OUT, opened(1), replace(NOTHING, lost=1)), "answered"),
    ],
)
def test_outcomes_of_outbound_calls(records: tuple[Input, ...], outcome: str | None) -> None:
    """The agent's accepting says nothing of the called party: a media stream that ran does, unless
    not one frame came; starts that found no connected leg speak against it; troubles at Twilio for
    neither."""
    assert outcome == of(*records).outcome


def test_a_leg_that_only_rang_was_not_required() -> None:
    """Twilio may start a media stream while the leg rings: without a frame nothing is missing of an
    outbound call. Of an inbound call, which has a customer, all is."""
    outbound = of(OUT, opened(1), answered("done"), NOTHING)
    assert ("not-required", 0, ()) == (outbound.capture, outbound.required_ms, outbound.gaps)
    inbound = of(call(ANN_LEFT, completed=31_000), opened(1), NOTHING)
    assert inbound.required_ms > 0


def test_an_outbound_connection_is_active_once_a_media_stream_runs() -> None:
    """It rings until then."""
    assert ["ringing"] == [c.state for c in of(RINGING).connections]
    assert ["active"] == [c.state for c in of(RINGING, changed(1, "running")).connections]


def test_monitored_at_any_moment_between_accepting_and_leaving() -> None:
    """On the list later, or no longer, counts; before or after the session does not."""

    def versions(*times: tuple[int, tuple[str, ...]]) -> PolicyHistory:
        return PolicyHistory.of(
            replace(POLICY, version=n, effective_at=NOON + at, entries=entries)
            for n, (at, entries) in enumerate(times, 1)
        )

    ann = ("ann@example.com",)
    over = call(ANN_LEFT, completed=31_000)
    for history, monitored in (
        (versions((0, ann)), True),
        (versions((0, ann), (3_000, ())), True),
        (versions((20_000, ann)), True),
        (versions((0, ann), (1_500, ())), False),
        (versions((30_001, ann)), False),
        (PolicyHistory(), False),
    ):
        assert monitored == of(over, history=history).sessions[0].monitored
    assert (
        not of(call(ANN), history=versions((20_000, ann)), now=NOON + 9_000).sessions[0].monitored
    )


def test_a_session_never_accepted_is_not_monitored() -> None:
    """It is there, with no start."""
    found = of(call(NEVER, canceled=9_000)).sessions[0]
    assert (None, NOON + 5_000, False) == (found.started_at, found.ended_at, found.monitored)


WANTED = call(reservation(1, "ann", created=0, accepted=2_000, wrapup=62_000), completed=63_000)
GOING_ON = call(reservation(1, "ann", created=0, accepted=2_000))
WHOLE = completed(1, 2_300, 62_000, lost=0)


@pytest.mark.parametrize(
    ("records", "capture", "required_ms", "captured_ms", "gaps"),
    [
        ((call(EVE),), "not-required", 0, 0, []),
        ((WANTED,), "missing", 60_000, 0, [(2_000, 62_000)]),
        ((WANTED, WHOLE), "complete", 60_000, 59_700, []),
        ((WANTED, completed(1, 12_000, 62_000, lost=0)), "partial", 60_000, 50_000,
         [(2_000, 12_000)]),
        ((WANTED, completed(1, 2_300, 42_000, lost=70)), "partial", 60_000, 39_000,
         [(42_000, 62_000)]),
        ((WANTED, completed(1, 2_300, 2_300, lost=0)), "missing", 60_000, 0, [(2_000, 62_000)]),
        ((WANTED, started(1, 2_300)), "pending", 60_000, 59_700, []),
        ((WANTED, opened(1, 2_300)), "pending", 60_000, 0, [(2_000, 62_000)]),
        ((WANTED, WHOLE, started(2, 2_300, **supplement(2, of=1))), "pending", 60_000, 59_700, []),
        ((GOING_ON, completed(1, 2_300, 42_000, lost=0)), "pending", 98_000, 39_700,
         [(42_000, 100_000)]),
    ],
)  # fmt: skip
def test_capture(
    records: tuple[Input, ...],
    capture: str,
    required_ms: int,
    captured_ms: int,
    gaps: list[tuple[int, int]],
) -> None:
    """What had to be recorded, how much of it was, and what is missing."""
    found = of(*records)
    assert (capture, required_ms, captured_ms, gaps) == (
        found.capture, found.required_ms, found.captured_ms,
        [(g.started_at - NOON, g.ended_at - NOON) for g in found.gaps],
    )  # fmt: skip


def test_events_that_come_after_the_call_are_required_all_the_same() -> None:
    """Nothing was decided while the call went on: it is missing, because its events came late."""
    found = of(WANTED, decided(500_000, "do-not-record"), now=NOON + 500_000)
    assert ("missing", 60_000) == (found.capture, found.required_ms)
    assert ["late-events"] == [gap.reason for gap in found.gaps]


def test_a_recording_that_never_becomes_complete_is_no_audio_in_the_end() -> None:
    """Four days after the last record it will not come any more."""
    before, after = (
        of(WANTED, opened(1, 2_300), started(1, 2_300), now=NOON + AWAITED_MS + more)
        for more in (-1, 0)
    )
    assert ("pending", "missing") == (before.capture, after.capture)


def test_a_supplement_is_in_the_contact_of_its_recording() -> None:
    """With its own INUM and the workers who were there, beside the recording that it completes."""
    extra = supplement(2, of=1)
    found = of(WANTED, completed(1, 2_300, 30_000), completed(2, 30_000, 62_000, **extra))
    assert ["", f"{NOON}1"] == [r.supplement_of for r in found.recordings]
    assert [f"{NOON}1", extra["inum"]] == [r.inum for r in found.recordings]
    assert ["MZ1", "MZ1"] == [r.stream_sid for r in found.recordings]
    assert ["ann@example.com"] * 2 == [r.extension for r in found.recordings]
    assert () == found.gaps
    assert "complete" == found.capture


def test_what_a_recording_accounts_for_is_in_the_contact() -> None:
    """Losses by reason, at the end, and withheld frames, as the recorder counted them."""
    told = completed(
        1, 2_300, 62_000, recording_id="id", lost=7, lost_for={"not-sent": 5, "not-received": 2},
        lost_at_end=1, withheld=9, withheld_ms=90,
    )  # fmt: skip
    (recording,) = of(WANTED, told).recordings
    assert ("id", {"not-sent": 5, "not-received": 2}, 1, 9, 90, "stream") == (
        recording.recording_id, recording.lost_for, recording.lost_at_end, recording.withheld,
        recording.withheld_ms, recording.source,
    )  # fmt: skip


def test_recordings_without_a_contact_are_known() -> None:
    """The call is not known, or is none: its recordings are there, of no worker."""
    state = empty(TASK)
    for record in (started(2, 50_000), completed(1, 2_300, 30_000)):
        state = fold(state, record, NOON)
    assert contact(state, HISTORY, NOON) is None
    assert [(f"{NOON}1", "complete"), (f"{NOON}2", "recording")] == [
        (r.inum, r.state) for r in unmatched(state)
    ]
    assert [None, None] == [r.extension for r in unmatched(state)]
    assert () == unmatched(empty(TASK))


def test_a_contact_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many sessions the latest are shown."""
    monkeypatch.setattr(contacts, "MAX_PARTS", 2)
    offered = [reservation(n, "eve", created=n, rejected=n + 1) for n in range(5)]
    found = of(call(*offered))
    assert ["WR3", "WR4"] == [s.reservation_sid for s in found.sessions]
    assert 2 == len(found.connections)


def test_media_streams_in_their_last_state() -> None:
    """By generation, a stray one by its SID, whatever order their states came in."""
    found = of(
        call(ANN), changed(2, "starting", 9), changed(1, "stopped", 5), changed(1, "running", 7),
        changed(0, "stopping", 1, "MZz"),
    )  # fmt: skip
    assert [(0, "stopping"), (1, "stopped"), (2, "starting")] == [
        (s.generation, s.state) for s in found.streams
    ]


def test_a_recording_of_nobody() -> None:
    """Without a monitored session there is no extension."""
    (recording,) = of(call(EVE), completed(1, 2_300, 30_100)).recordings
    assert (None, ()) == (recording.extension, recording.extensions)


def test_a_recording_is_never_of_who_was_not_monitored() -> None:
    """Although on the call before all others, and longer."""
    (recording,) = of(call(EVE, ANN_LEFT), completed(1, 1_500, 30_100)).recordings
    assert ("ann@example.com", ("ann@example.com",)) == (recording.extension, recording.extensions)


def test_a_recording_is_of_who_was_on_the_list_when_it_began() -> None:
    """Ann came first, and was taken off before; Bob was put on, and she again later."""
    lists = [(1, 0, "ann"), (2, 5_000, "bob"), (3, 20_000, "ann")]
    history = PolicyHistory.of(
        RecordingPolicy(n, 0, NOON + at if at else 0, (f"{who}@example.com",), True, True)
        for n, at, who in lists
    )
    bob = reservation(2, "bob", created=3_000, accepted=4_000, wrapup=30_000)
    found = of(call(ANN_LEFT, bob), completed(1, 5_300, 15_000), history=history)
    (recording,) = found.recordings
    assert ("bob@example.com", ("bob@example.com",)) == (recording.extension, recording.extensions)
    assert [True, True] == [session.monitored for session in found.sessions]


def test_a_contact_is_settled_once_nobody_is_on_it() -> None:
    """A later version of the list cannot change it then."""
    assert not is_settled(None)
    assert not is_settled(of(call(ANN)))
    bob = reservation(2, "bob", created=20_000)
    assert not is_settled(of(call(ANN_LEFT, bob)))
    assert is_settled(of(call(ANN_LEFT)))
    assert is_settled(of(call(reservation(1, "ann", created=0))))


def test_the_recording_of_another_calls_leg_is_withheld_and_covers_nothing() -> None:
    """Twilio says so at any time, before or after the recording is complete."""
    foreign = CommandAnswered(
        f"verify:{TASK}:{LEG}:1", TASK, 1, "verify", "contradicted", LEG, None, None, None, "", 1,
        NOON + 3_000,
    )  # fmt: skip
    records: list[Input] = [
        call(ANN_LEFT, completed=40_000), opened(1), started(1, 2_000), completed(1, 2_000, 30_000),
    ]  # fmt: skip
    heard = of(*records)
    assert ("complete", "") == (heard.capture, heard.recordings[0].withheld_because)
    for order in ([*records, foreign], [foreign, *records]):
        withheld = of(*order)
        assert ["leg-contradicted"] == [r.withheld_because for r in withheld.recordings]
        assert ("missing", 0) == (withheld.capture, withheld.captured_ms)


def test_a_contact_shows_what_attributes_contradict() -> None:
    """The first word holds; each other one is shown."""
    version = call(ANN)
    later = fact("internal", NOON + 5_000)
    found = of(replace(version, facts={**version.facts, "direction=internal": later}))
    told = ContactContradiction(None, "direction", "internal", "inbound", NOON + 5_000)
    assert ("inbound", (told,)) == (found.direction, found.contradictions)
