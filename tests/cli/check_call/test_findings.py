"""Findings of a test call, from its observations."""

from dataclasses import replace

import pytest

from cli.check_call.findings import Finding, findings, needs_change, problem_of
from cli.check_call.observations import Answer, Observations
from cli.check_call.verdicts import Status
from schemas.records import HandshakeRefused, MediaStreamObserved, ObservedTrack
from tests.cli.check_call.usual import (
    CALL,
    CLOSED,
    LOUD,
    QUIET,
    STREAM,
    SWAPPED,
    TASK,
    TRACK,
    batch,
    document,
    part,
    usual,
)

REFUSED = HandshakeRefused(TASK, CALL, 1, "g", 1, 1_000, "wrong-url", "wss://h/media")
UNKNOWN_FORM = replace(REFUSED, detail="")


def found_in(seen: Observations) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings(seen)}


def observed(**changes: object) -> list[MediaStreamObserved]:
    (observed,) = usual().observed
    return [replace(observed, **changes)]


def test_a_usual_account() -> None:
    """All that a call shows holds, nothing needs a change."""
    found = findings(usual())
    shown = [finding for finding in found if finding.status is not Status.NOT_SHOWN]
    assert {Status.HOLDS} == {finding.status for finding in shown}
    assert (False, None) == (needs_change(found), problem_of(usual()))


D, C, N = Status.DIFFERS, Status.CHANGE, Status.NOT_SEEN
OVERALL = (
    ObservedTrack("inbound", 900, 120, 18_100, 0, 1, 1799),
    ObservedTrack("outbound", 900, 120, 18_100, 0, 2, 1800),
)
NO_SILENCE = [batch(1, part("outbound", [(20 * n, LOUD) for n in range(50)]))]
HOLE = [batch(1, part("outbound", document(silent=False)))]
BROKEN = [batch(1, part("outbound", document(silent=False), (9_000,)))]


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [
        ("silence", {"batches": HOLE}, D),
        ("silence", {"batches": BROKEN}, N),
        ("silence", {"batches": NO_SILENCE}, N),
        ("silence", {"opened": []}, N),
        ("tracks", {"batches": SWAPPED}, C),
        ("tracks", {"batches": [batch(1, part("outbound", [(0, QUIET)]))]}, N),
        (
            "first-timestamp",
            {"observed": observed(tracks=(replace(TRACK, first_timestamp=0),))},
            D,
        ),
        ("first-timestamp", {"observed": []}, N),
        ("timestamp-steps", {"observed": observed(tracks=(replace(TRACK, uneven_steps=1),))}, D),
        ("chunk", {"observed": observed(tracks=OVERALL)}, D),
        ("chunk", {"observed": observed(tracks=(TRACK,))}, N),
        ("chunk", {"observed": observed(tracks=(TRACK, replace(TRACK, last_chunk=0)))}, D),
        ("ping", {"observed": observed(pongs=0)}, D),
        ("ping", {"observed": observed(pings=0, pongs=0)}, N),
        (
            "stop-message",
            {"observed": observed(stop_seen=False), "closed": [replace(CLOSED, reason="dropped")]},
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
    seen = usual(**changes)
    finding = found_in(seen)[name]
    assert status is finding.status, finding
    assert (status is C) == bool(finding.remedy)
    assert (status is C) == needs_change(findings(seen))


def test_the_remedy_of_another_signed_url_names_the_setting() -> None:
    """With its value, if the form is known."""
    known = found_in(usual(refused=[REFUSED], opened=[]))["signature-url"]
    assert "FLEXCAPTURE_GATEWAY_SIGNED_URL=wss://h/media" in known.remedy
    unknown = found_in(usual(refused=[UNKNOWN_FORM], opened=[]))["signature-url"]
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
    assert words in str(problem_of(usual(**changes)))


def test_nothing_seen_can_be_judged() -> None:
    """A call that came to nothing shows nothing, and no finding fails."""
    assert {Status.NOT_SEEN, Status.NOT_SHOWN} == {f.status for f in findings(Observations())}
