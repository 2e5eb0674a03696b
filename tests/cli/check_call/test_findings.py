"""Findings of a test call, from its observations."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.check_call.findings import Finding, findings, needs_change, problem_of
from cli.check_call.heard import HeardTrack, heard
from cli.check_call.observations import Answer, Observations
from cli.check_call.report import Result, as_json, as_text
from cli.check_call.verdicts import Status
from pipeline.media.runs import runs_of
from pipeline.twilio.check_tasks import check_task_sid
from schemas.records import (
    HandshakeRefused,
    MediaBatch,
    MediaStreamClosed,
    MediaStreamObserved,
    MediaStreamOpened,
    ObservedTrack,
    SequenceBreak,
    TrackBatch,
)

TASK = check_task_sid(b"12345678")
CALL, STREAM = "CA" + "1" * 32, "MZ" + "2" * 32
LOUD, QUIET = bytes([0x20]) * 160, b"\xff" * 160
TRACK = ObservedTrack("inbound", 900, 120, 18_100, 0, 1, 900)
WHO = {"stream_sid": STREAM, "call_sid": CALL, "task_sid": TASK, "gateway": "g", "epoch": 1}
CLOSED = MediaStreamClosed(
    **WHO, name="n", generation=1, at=30_100, reason="stop", detail="", batches=1, frames=0,
    invalid=0, unbroken=True,
)  # fmt: skip
REFUSED = HandshakeRefused(TASK, CALL, 1, "g", 1, 1_000, "wrong-url", "wss://h/media")
UNKNOWN_FORM = replace(REFUSED, detail="")


def _part(track: str, frames: list[tuple[int, bytes]], breaks: tuple[int, ...] = ()) -> TrackBatch:
    runs = tuple(runs_of([(at, len(payload)) for at, payload in frames]))
    audio = b"".join(payload for _, payload in frames)
    return TrackBatch(track, runs, 0, audio, tuple(SequenceBreak(at, "x") for at in breaks))


def _batch(number: int, *parts: TrackBatch) -> MediaBatch:
    return MediaBatch(
        **WHO, number=number, at=1, first_sequence=None, last_sequence=None, tracks=parts
    )


def _document(silent: bool = True) -> list[tuple[int, bytes]]:
    """A second of speech, 8 s of silence, a second of speech."""
    pause = [(1_000 + 20 * n, QUIET) for n in range(400)] if silent else []
    speech = [(20 * n, LOUD) for n in range(50)]
    return [*speech, *pause, *((9_000 + at, LOUD) for at, _ in speech)]


def _usual(**changes: object) -> Observations:
    """A test call on an account on which all is as usual."""
    seen = Observations(
        while_ringing=Answer(400, 21220, "not in progress"),
        first=Answer(200, sid=STREAM, at=1_000),
        same_name=Answer(409, 21299, "exists"),
        second=Answer(200, sid="MZ" + "3" * 32),
        third=Answer(400, 21298, "too many"),
        stop_after_end=Answer(404, 20404, "not found"),
        next_page_uri="/2010-04-01/x",
        ended_at=30_000,
        opened=[MediaStreamOpened(**WHO, name="n", generation=1, at=1_010)],
        closed=[CLOSED],
        observed=[
            MediaStreamObserved(
                **WHO, generation=1, at=30_100, pings=5, pongs=5, stop_seen=True,
                tracks=(TRACK, replace(TRACK, track="outbound")),
            )
        ],
        batches=[_batch(1, _part("inbound", []), _part("outbound", _document()))],
    )  # fmt: skip
    for name, value in changes.items():
        setattr(seen, name, value)
    return seen


def _found(seen: Observations) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings(seen)}


def _observed(**changes: object) -> list[MediaStreamObserved]:
    (observed,) = _usual().observed
    return [replace(observed, **changes)]


def test_a_usual_account() -> None:
    """All that a call shows holds, nothing needs a change."""
    found = findings(_usual())
    shown = [finding for finding in found if finding.status is not Status.NOT_SHOWN]
    assert {Status.HOLDS} == {finding.status for finding in shown}
    assert (False, None) == (needs_change(found), problem_of(_usual()))


D, C, N = Status.DIFFERS, Status.CHANGE, Status.NOT_SEEN
OVERALL = (
    ObservedTrack("inbound", 900, 120, 18_100, 0, 1, 1799),
    ObservedTrack("outbound", 900, 120, 18_100, 0, 2, 1800),
)
SWAPPED = [_batch(1, _part("inbound", _document()), _part("outbound", [(0, QUIET)]))]
NO_SILENCE = [_batch(1, _part("outbound", [(20 * n, LOUD) for n in range(50)]))]
HOLE = [_batch(1, _part("outbound", _document(silent=False)))]
BROKEN = [_batch(1, _part("outbound", _document(silent=False), (9_000,)))]


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [
        ("silence", {"batches": HOLE}, D),
        ("silence", {"batches": BROKEN}, N),
        ("silence", {"batches": NO_SILENCE}, N),
        ("silence", {"opened": []}, N),
        ("tracks", {"batches": SWAPPED}, C),
        ("tracks", {"batches": [_batch(1, _part("outbound", [(0, QUIET)]))]}, N),
        (
            "first-timestamp",
            {"observed": _observed(tracks=(replace(TRACK, first_timestamp=0),))},
            D,
        ),
        ("first-timestamp", {"observed": []}, N),
        ("timestamp-steps", {"observed": _observed(tracks=(replace(TRACK, uneven_steps=1),))}, D),
        ("chunk", {"observed": _observed(tracks=OVERALL)}, D),
        ("chunk", {"observed": _observed(tracks=(TRACK,))}, N),
        ("chunk", {"observed": _observed(tracks=(TRACK, replace(TRACK, last_chunk=0)))}, D),
        ("ping", {"observed": _observed(pongs=0)}, D),
        ("ping", {"observed": _observed(pings=0, pongs=0)}, N),
        (
            "stop-message",
            {"observed": _observed(stop_seen=False), "closed": [replace(CLOSED, reason="dropped")]},
            D,
        ),
        ("stop-message", {"observed": []}, N),
        ("socket-after-call", {"closed": [replace(CLOSED, at=36_000)]}, D),
        ("socket-after-call", {"closed": []}, D),
        ("second-socket", {"refused": [replace(REFUSED, reason="ticket-used")]}, D),
        ("signature-url", {"refused": [REFUSED], "opened": []}, C),
        ("signature-url", {"refused": [UNKNOWN_FORM], "opened": []}, C),
        ("start-answer", {"first": Answer(200, sid=STREAM, at=1_500)}, D),
        ("start-while-ringing", {"while_ringing": Answer(200, sid=STREAM)}, D),
        ("start-while-ringing", {"while_ringing": Answer(404, 20404)}, D),
        ("start-while-ringing", {"while_ringing": Answer(400, 20001)}, C),
        ("start-while-ringing", {"while_ringing": None}, N),
        ("same-name", {"same_name": Answer(200, sid=STREAM)}, D),
        ("same-name", {"same_name": Answer(200, sid="MZ" + "4" * 32)}, D),
        ("same-name", {"same_name": Answer(404, 20404)}, C),
        ("same-name", {"same_name": Answer(0)}, N),
        ("track-limit", {"second": Answer(400, 21298)}, D),
        ("track-limit", {"third": Answer(200, sid="MZ" + "4" * 32)}, D),
        ("track-limit", {"second": None}, N),
        ("stop-after-end", {"stop_after_end": Answer(400, 21220)}, D),
        ("stop-after-end", {"stop_after_end": Answer(200)}, D),
        ("stop-after-end", {"stop_after_end": Answer(400, 20001)}, C),
        ("stop-after-end", {"stop_after_end": None}, N),
        ("paging", {"next_page_uri": "https://api.twilio.com/x"}, D),
        ("paging", {"next_page_uri": ""}, N),
    ],
)
def test_what_differs(name: str, changes: dict[str, object], status: Status) -> None:
    """Each assumption, if Twilio does otherwise, and if the call does not show it. What needs a
    change says what."""
    seen = _usual(**changes)
    finding = _found(seen)[name]
    assert status is finding.status, finding
    assert (status is C) == bool(finding.remedy)
    assert (status is C) == needs_change(findings(seen))


def test_the_remedy_of_another_signed_url_names_the_setting() -> None:
    """With its value, if the form is known."""
    known = _found(_usual(refused=[REFUSED], opened=[]))["signature-url"]
    assert "FLEXCAPTURE_GATEWAY_SIGNED_URL=wss://h/media" in known.remedy
    unknown = _found(_usual(refused=[UNKNOWN_FORM], opened=[]))["signature-url"]
    assert "FLEXCAPTURE_GATEWAY_PUBLIC_URL" in unknown.remedy


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"first": None}, "no media stream was started"),
        ({"first": Answer(400, 20001, "no")}, "refused to start"),
        ({"opened": []}, "FLEXCAPTURE_GATEWAY_PUBLIC_URL"),
        ({"opened": [], "refused": [REFUSED]}, "wrong-url"),
        ({"batches": []}, "no audio"),
    ],
)
def test_a_call_without_audio_failed(changes: dict[str, object], words: str) -> None:
    """It says how far it came."""
    assert words in str(problem_of(_usual(**changes)))


def test_nothing_seen_can_be_judged() -> None:
    """A call that came to nothing shows nothing, and no finding fails."""
    assert {Status.NOT_SEEN, Status.NOT_SHOWN} == {f.status for f in findings(Observations())}


@given(
    st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=60),
    st.lists(st.integers(1, 20), min_size=1),
    st.integers(0, 3),
)
def test_audio_is_heard_however_it_is_cut(
    frames: list[tuple[int, bool]], sizes: list[int], again: int
) -> None:
    """Batches of any size, some of them delivered twice, give the same; sound, silence and holes
    are found."""
    at, placed = 0, []
    for steps, is_loud in frames:
        at += 20 * steps
        placed.append((at, LOUD if is_loud else QUIET))
    batches, rest = [], placed
    while rest:
        size = sizes[len(batches) % len(sizes)]
        batches.append(_batch(len(batches) + 1, _part("inbound", rest[:size])))
        rest = rest[size:]
    found = heard([*batches, *batches[:again]]).get("inbound", HeardTrack())
    assert (len(placed), sum(is_loud for _, is_loud in frames)) == (found.frames, found.loud_frames)
    assert found.longest_hole_ms == max([0, *(20 * (s - 1) for s, _ in frames[1:])])
    if placed:
        assert found == heard([_batch(1, _part("inbound", placed))])["inbound"]


def _result(seen: Observations, call_sid: str = CALL) -> Result:
    found = findings(seen)
    return Result(
        "+15550100200", "+15005550006", call_sid, TASK, problem_of(seen), needs_change(found), found
    )


def test_a_result_is_shown() -> None:
    """As a table with a last line that says what to do, and as JSON with the same."""
    good, change = _result(_usual()), _result(_usual(batches=SWAPPED))
    assert as_text(good).splitlines()[0].startswith("silence              holds")
    assert "Nothing needs a change" in as_text(good)
    assert "change for tracks: left and right" in as_text(change)
    assert ["ok", "change-needed"] == [as_json(each)["result"] for each in (good, change)]
    failed = _result(Observations(), call_sid="")
    assert "Failed: no media stream was started." == as_text(failed)
    told = as_json(failed)
    assert ("failed", None, "no media stream was started") == (
        told["result"], told["call_sid"], told["problem"],
    )  # fmt: skip
    row = as_json(good)["assumptions"][0]
    assert {"name": "silence", "status": "holds", "remedy": None}.items() <= row.items()
