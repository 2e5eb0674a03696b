"""The contact, case by case, as the console's contract says."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from pipeline.contacts import contact as contacts
from pipeline.contacts.contact import is_settled
from pipeline.contacts.state import Input
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.marks import NoLeg
from schemas.codec import decode, encode
from schemas.records import (
    Call,
    ContactContradiction,
    Leg,
    Session,
)
from tests.examples import examples
from tests.pipeline.contacts.contacts import ANN_LEFT, made, of
from tests.pipeline.contacts.records import (
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
)

ANN = reservation(1, "ann", created=1_000, accepted=2_000)
NEVER = reservation(1, "ann", created=1_000, rejected=5_000)


@settings(max_examples=examples(60), deadline=None)
@given(histories())
def test_a_contact_can_be_made_of_anything(records: list[Input]) -> None:
    """Any history gives no contact, or a consistent one that can be encoded."""
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


def test_a_contact_is_settled_once_no_party_is_on_it() -> None:
    """A later version of the list cannot change it then."""
    assert not is_settled(None)
    assert not is_settled(of(call(ANN)))
    bob = reservation(2, "bob", created=20_000)
    assert not is_settled(of(call(ANN_LEFT, bob)))
    assert is_settled(of(call(ANN_LEFT)))
    assert is_settled(of(call(reservation(1, "ann", created=0))))


def test_a_contact_shows_what_attributes_contradict() -> None:
    """The first word holds; each other one is shown."""
    version = call(ANN)
    later = fact("internal", NOON + 5_000)
    found = of(replace(version, facts={**version.facts, "direction=internal": later}))
    contradiction = ContactContradiction(None, "direction", "internal", "inbound", NOON + 5_000)
    assert ("inbound", (contradiction,)) == (found.direction, found.contradictions)
