"""Records that a contact is made of, by hand and by Hypothesis."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from pipeline.calls.view import derived
from pipeline.contacts.state import Input
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.gateway_reports import SILENT
from pipeline.streams.reconcile import NEVER_REACHED
from schemas.records import (
    Call,
    CommandAnswered,
    Fact,
    HandshakeRefused,
    MediaStreamChanged,
    MediaStreamOpened,
    RecordingCompleted,
    RecordingDecided,
    RecordingPolicy,
    RecordingStarted,
    Reservation,
)

TASK = "WT" + "a" * 32
LEG = "CA" + "c" * 32
NOON = 1_780_000_000_000

POLICY = RecordingPolicy(
    version=1,
    published_at=NOON - 60_000,
    effective_at=NOON - 58_500,
    entries=("ann@example.com", "bob@example.com"),
    record_inbound=True,
    record_outbound=True,
)
HISTORY = PolicyHistory.of([POLICY])


def fact(value: str, at: int = NOON) -> Fact:
    return Fact(value, 0, at, f"EV{value}")


def reservation(number: int, worker: str, **milestones: int) -> Reservation:
    """`worker`'s; milestones in ms after noon."""
    return Reservation(
        f"WR{number}",
        {"extension": fact(f"{worker}@example.com")},
        {name: NOON + at for name, at in milestones.items()},
    )


def call(
    *reservations: Reservation,
    revision: int = 1,
    direction: str | None = "inbound",
    facts: dict[str, str] | None = None,
    **milestones: int,
) -> Call:
    """A version of the call, its derived fields filled in."""
    stated = {"customer": "+15550001111", "customer_call_sid": LEG, "queue": "Billing"}
    stated |= {"direction": direction} if direction else {}
    stated |= facts or {}
    times = {"created": 0, **milestones}
    return derived(
        Call(
            task_sid=TASK,
            revision=revision,
            cause_event_id=f"EV{revision}",
            cause_type="test",
            cause_at=NOON,
            first_event_at=NOON,
            latest_event_at=NOON + max(times.values()),
            latest_arrival_at=NOON,
            facts={name: fact(value) for name, value in stated.items()},
            milestones={name: NOON + at for name, at in times.items()},
            reservations=reservations,
            transfers=(),
            legs=(),
            direction=None,
            state="",
            connections=(),
        )
    )


def started(number: int, at: int, **changes: Any) -> RecordingStarted:
    made = RecordingStarted(f"{NOON}{number}", f"MZ{number}", LEG, TASK, number, NOON + at)
    return replace(made, **changes)


def completed(number: int, at: int, end: int, **changes: Any) -> RecordingCompleted:
    made = RecordingCompleted(
        inum=f"{NOON}{number}",
        stream_sid=f"MZ{number}",
        call_sid=LEG,
        task_sid=TASK,
        generation=number,
        started_at=NOON + at,
        ended_at=NOON + end,
        duration_ms=end - at,
        received=(end - at) // 10,
        lost=1,
        duplicate=2,
        invalid=3,
        overlap=4,
        audio=f"{number}.wav",
        audio_bytes=100,
        audio_sha256="0" * 64,
        manifest=f"{number}.json",
        reason="stop",
    )
    return replace(made, **changes)


def supplement(number: int, of: int) -> dict[str, str]:
    """The fields of a supplement to the recording of media stream `of`, with a number of its
    own."""
    main = f"{NOON}{of}"
    return {
        "inum": f"{NOON}{of}{number}",
        "stream_sid": f"MZ{of}",
        "recording_id": f"{NOON}{of}{number}-{number}",
        "supplement_of": main,
    }


def changed(
    generation: int, state: str, at: int = 0, sid: str | None = None, reason: str = ""
) -> MediaStreamChanged:
    return MediaStreamChanged(
        TASK, generation, "fc", LEG, sid, state, reason or f"is {state}", NOON + at
    )


def opened(number: int, at: int = 0) -> MediaStreamOpened:
    return MediaStreamOpened(f"MZ{number}", LEG, TASK, "fc", number, "gateway-0", 1, NOON + at)


def answered(
    outcome: str, code: int | None = None, detail: str = "", at: int = 0, attempts: int = 3
) -> CommandAnswered:
    return CommandAnswered(
        "c", TASK, 1, "start", outcome, LEG, None, "fc", code, detail, attempts, NOON + at
    )


def refused_handshake(at: int) -> HandshakeRefused:
    return HandshakeRefused(TASK, LEG, 1, "gateway-0", 1, NOON + at, "wrong-signature")


def decided(at: int, decision: str, reason: str = "why") -> RecordingDecided:
    return RecordingDecided(TASK, NOON + at, decision, reason, 1)


_times = st.integers(0, 60_000)
_states = st.sampled_from(["starting", "running", "stopping", "stopped", "failed"])


@st.composite
def reservations(draw: st.DrawFn) -> tuple[Reservation, ...]:
    found = []
    for number in range(draw(st.integers(0, 3))):
        created = draw(_times)
        times = {"created": created}
        if draw(st.booleans()):
            times["accepted"] = created + draw(_times)
        if draw(st.booleans()):
            times[draw(st.sampled_from(["wrapup", "rejected"]))] = created + 60_000 + draw(_times)
        found.append(reservation(number, draw(st.sampled_from(["ann", "bob", "eve"])), **times))
    return tuple(found)


@st.composite
def versions(draw: st.DrawFn) -> list[Call]:
    """Versions of one call: each knows more than the one before."""
    parties = draw(reservations())
    direction = draw(st.sampled_from([None, "inbound", "outbound", "internal"]))
    milestones = {"canceled": draw(_times)} if draw(st.booleans()) else {}
    count = draw(st.integers(0, len(parties) + 1))
    calls = [
        call(*parties[:number], revision=number + 1, direction=direction)
        for number in range(min(count, len(parties)))
    ]
    if count:
        version = call(*parties, revision=len(calls) + 1, direction=direction, **milestones)
        calls.append(replace(version, cause_type="last"))
    return calls


@st.composite
def histories(draw: st.DrawFn) -> list[Input]:
    """All records of a call that came on the three topics, in some order."""
    records: list[Input] = list(draw(versions()))
    numbers = range(1, draw(st.integers(0, 3)) + 1)
    for number in numbers:
        at = draw(_times)
        records += [opened(number, at), started(number, at)]
        records += [changed(number, state, draw(_times)) for state in draw(st.lists(_states))]
        named = {"recording_id": f"{number}-id"} if draw(st.booleans()) else {}
        if draw(st.booleans()):
            records.append(completed(number, at, at + draw(_times), **named))
        for extra in range(draw(st.integers(0, 2))):
            at, fields = draw(_times), supplement(extra, number)
            records.append(started(number, at, **fields))
            if draw(st.booleans()):
                records.append(completed(number, at, at + draw(_times), **fields))
    records += draw(
        st.lists(
            st.builds(decided, _times, st.sampled_from(["record", "stop", "do-not-record"]))
            | st.builds(
                answered, st.sampled_from(["done", "failed", "expired"]),
                st.sampled_from([None, 21220, 429]), at=_times,
            )
            | st.builds(refused_handshake, _times)
            | st.builds(
                changed, st.just(9), st.just("failed"), _times,
                reason=st.sampled_from([NEVER_REACHED.text, SILENT.text]),
            ),
            max_size=4,
        )
    )  # fmt: skip
    records += [changed(0, "stopped", 1, "MZz1"), changed(0, "running", 2, "MZz2")]
    return draw(st.permutations(records))
