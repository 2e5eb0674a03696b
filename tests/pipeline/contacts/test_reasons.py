"""The reasons of gaps, from the records that explain them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contacts.contact import contact
from pipeline.contacts.reasons import with_reasons
from pipeline.contacts.state import Input, empty, fold
from pipeline.streams.gateway_reports import ENDS, REPLACED, SILENT
from pipeline.streams.marks import NoLeg
from pipeline.streams.reconcile import NEVER_REACHED
from pipeline.twilio.errors import BEFORE
from schemas.records import ContactGap, GapCause
from tests.pipeline.contacts.records import (
    HISTORY,
    NOON,
    TASK,
    answered,
    call,
    changed,
    completed,
    decided,
    opened,
    refused_handshake,
    reservation,
    started,
)

ANN = reservation(1, "ann", created=0, accepted=2_000, wrapup=602_000)
OVER = call(ANN, completed=603_000)
DECIDED = decided(2_100, "record")
BREAKER = "the circuit breaker is open"


def reasons(*records: Input) -> list[str]:
    """The reasons of the gaps of a call that had to be recorded from 2 s to 602 s after noon."""
    state = empty(TASK)
    for record in (OVER, *records):
        state = fold(state, record, NOON)
    made = contact(state, HISTORY, NOON + 700_000)
    assert made is not None
    return [gap.reason for gap in made.gaps]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (answered("failed", 20003, at=3_000), "twilio-refused"),
        (answered("failed", 401, at=3_000), "twilio-refused"),
        (answered("expired", 21220, at=33_000), "twilio-refused"),
        (answered("superseded", 20001, at=603_000), "twilio-refused"),
        (answered("done", 20001, "already started (400 20001)", at=3_000), "twilio-refused"),
        (answered("done", None, "started", at=3_000, attempts=1), "unknown"),
        (answered("expired", 503, at=33_000), "twilio-unreachable"),
        (answered("expired", 20503, at=33_000), "twilio-unreachable"),
        (answered("expired", 20429, at=33_000), "twilio-unreachable"),
        (answered("expired", 408, at=33_000), "twilio-unreachable"),
        (answered("expired", None, "0 -: no answer", at=33_000), "twilio-unreachable"),
        (answered("expired", None, "", at=33_000, attempts=0), "twilio-unreachable"),
        (answered("superseded", None, "0 -: no answer", at=603_000), "twilio-unreachable"),
        (answered("superseded", None, "", at=603_000, attempts=0), "unknown"),
        (answered("failed", None, "internal error: KeyError()", at=3_000), "unknown"),
        *(
            (answered("expired", None, leg.value, at=33_000), "no-leg")
            for leg in NoLeg
        ),
        (changed(1, "failed", 8_000, reason=NEVER_REACHED.text), "never-reached-gateway"),
        (refused_handshake(2_500), "handshake-refused"),
        (changed(1, "stopped", 8_000, reason=REPLACED.text), "gateway-died"),
        (changed(1, "stopping", 12_000, reason=SILENT.text), "gateway-cut-off"),
        (changed(1, "stopped", 4_000, reason=ENDS["dropped"].text), "socket-dropped"),
        (changed(1, "stopped", 4_000, reason=ENDS["stop"].text), "unknown"),
    ],
)  # fmt: skip
def test_why_a_call_has_no_audio(record: Input, reason: str) -> None:
    """One gap, and one record that may explain it."""
    assert [reason] == reasons(DECIDED, record)


def test_a_refused_handshake_explains_more_than_that_no_socket_came() -> None:
    """The stream manager says that the media stream never reached a gateway; a gateway knows
    better. A start that Twilio refused afterwards explains more still."""
    records = [changed(1, "failed", 8_000, reason=NEVER_REACHED.text), refused_handshake(2_500)]
    assert ["handshake-refused"] == reasons(DECIDED, *records)
    assert ["twilio-refused"] == reasons(DECIDED, *records, answered("failed", 20003, at=9_000))


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        ("gateway-died", "gateway-died"),
        ("gateway-gone", "gateway-died"),
        ("drained", "gateway-died"),
        ("dropped", "socket-dropped"),
        ("no-media", "socket-dropped"),
        ("protocol-error", "socket-dropped"),
        ("stop", "late-start"),
    ],
)
def test_the_end_of_a_recording_explains_the_gap_after_it(ended: str, reason: str) -> None:
    """By the reason of its `RecordingCompleted`; only the gap that begins with its end."""
    first = completed(1, 2_300, 300_000, reason=ended)
    assert [reason] == reasons(DECIDED, first, completed(2, 305_000, 602_000))
    expected = "unknown" if reason == "late-start" else reason
    assert [expected] == reasons(DECIDED, first)
    complete = completed(1, 2_300, 602_000, reason=ended)
    assert [] == reasons(DECIDED, complete)


def test_a_gateway_that_was_cut_off_is_dead_once_it_was_started_again() -> None:
    """First it is only silent; the recording ends for certain when a later life is reported."""
    silent = changed(1, "stopping", 310_000, reason=SILENT.text)
    rest = completed(2, 311_000, 602_000)
    for ended, reason in (("gateway-died", "gateway-died"), ("gateway-gone", "gateway-cut-off")):
        first = completed(1, 2_300, 300_000, reason=ended)
        assert [reason] == reasons(DECIDED, first, silent, rest)


def test_a_decision_that_came_late_or_never() -> None:
    """The call's events came a minute late, or after the call, or a stop was in force."""
    late = completed(1, 62_500, 602_000)
    assert ["late-events"] == reasons(decided(62_000, "record"), late)
    assert ["late-events"] == reasons()
    assert ["late-events"] == reasons(decided(700_000, "do-not-record"))
    stopped = completed(1, 2_300, 300_000, reason="not-to-be-recorded")
    assert ["late-events"] == reasons(DECIDED, decided(299_000, "stop"), stopped)


def test_a_start_that_took_long() -> None:
    """Decided in time, and recorded in the end, with nothing that explains the time between."""
    assert ["late-start"] == reasons(DECIDED, completed(1, 12_000, 602_000))
    assert ["late-start"] == reasons(DECIDED, started(1, 12_000))
    assert ["late-start"] == reasons(decided(2_999, "record"), completed(1, 12_000, 602_000))
    assert ["late-events"] == reasons(decided(3_000, "record"), completed(1, 12_000, 602_000))


def test_a_start_that_was_refused_because_the_media_stream_ran_already() -> None:
    """If a recording follows, it did run, and the refusal explains nothing."""
    believed = answered("done", 20001, "already started (400 20001)", at=3_000)
    assert ["late-start"] == reasons(DECIDED, believed, completed(1, 12_000, 602_000))
    assert ["twilio-refused"] == reasons(DECIDED, believed)
    never = changed(1, "failed", 8_000, reason=NEVER_REACHED.text)
    assert ["never-reached-gateway"] == reasons(DECIDED, believed, never)


def test_a_media_stream_that_is_stopped_before_its_failure_is_noticed() -> None:
    """The gateway was away, and the agent left before the stream manager gave the media stream up.
    If a gateway reported it, or another cause is known, it explains nothing."""
    stopped = changed(1, "stopped", 8_000, "MZ1", reason="stopped: last monitored agent left")
    assert ["never-reached-gateway"] == reasons(DECIDED, stopped)
    assert ["unknown"] == reasons(DECIDED, opened(1, 2_500), stopped)
    assert ["late-start"] == reasons(DECIDED, stopped, completed(2, 12_000, 602_000))
    assert ["twilio-refused"] == reasons(DECIDED, stopped, answered("failed", 20003, at=9_000))


def test_a_cause_explains_the_gap_in_which_it_lies() -> None:
    """A start is refused in the second gap only; after the last recording began, nothing explains
    the first gap any more."""
    recordings = [
        completed(1, 12_000, 300_000, reason="dropped"),
        completed(2, 330_000, 602_000),
    ]
    refused = answered("failed", 20003, at=310_000)
    assert ["late-start", "twilio-refused"] == reasons(DECIDED, *recordings, refused)
    after = answered("superseded", 21220, at=603_000)
    assert ["late-start", "socket-dropped"] == reasons(DECIDED, *recordings, after)
    ringing = answered("expired", 21220, at=500)
    assert ["late-start", "socket-dropped"] == reasons(DECIDED, *recordings, ringing)


def test_a_start_that_was_done_only_at_a_later_request() -> None:
    """The error that the earlier requests met explains why the recording began late."""
    recording = completed(1, 12_000, 602_000)
    for code, before, reason in [
        (21220, "400 21220", "twilio-refused"),
        (503, "503 -", "twilio-unreachable"),
        (None, "0 -: no answer", "twilio-unreachable"),
        *((None, leg.value, "no-leg") for leg in NoLeg),
        (503, NoLeg.NOBODY.value, "twilio-unreachable"),
    ]:
        done = answered("done", code, f"started{BEFORE}{before}", at=11_900)
        assert [reason] == reasons(DECIDED, recording, done)


def test_several_look_ups_that_twilio_answered_do_not_mean_that_it_was_unreachable() -> None:
    """A start that found its leg in the conference makes three requests."""
    done = answered("done", None, "started", at=11_900, attempts=3)
    assert ["late-start"] == reasons(DECIDED, completed(1, 12_000, 602_000), done)


_causes = st.lists(
    st.builds(GapCause, st.integers(0, 700), st.sampled_from(["no-leg", "gateway-died"])),
    max_size=12,
)


@given(_causes, st.lists(st.integers(0, 700), min_size=2, max_size=8, unique=True))
def test_every_gap_gets_one_reason(causes: list[GapCause], times: list[int]) -> None:
    """Whatever causes there are; with none, and no decision, the events came late."""
    times = sorted(times)[: len(times) // 2 * 2]
    made = [
        ContactGap(start, end, "", "")
        for start, end in zip(times[::2], times[1::2], strict=True)
    ]  # fmt: skip
    found = with_reasons(made, causes, [], [])
    assert [(g.started_at, g.ended_at) for g in made] == [(g.started_at, g.ended_at) for g in found]
    assert {g.reason for g in found} <= {"no-leg", "gateway-died", "late-events"}
    assert {g.reason for g in with_reasons(made, [], [], [])} == {"late-events"}
