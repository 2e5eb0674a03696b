"""The history of a call: its state at a moment, and the output."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.call.changes import changes
from cli.call.formatting import as_json, as_text
from cli.call.versions import Logged, Version, held, known, versions
from pipeline.calls.merge import Folded, fold
from pipeline.dead_letters import dead_letter
from pipeline.times import moment, rfc3339
from schemas.codec import decode
from schemas.records import Call, CtiEvent
from tests.examples import examples
from tests.pipeline.calls.histories import CUSTOMER_LEG, Story, histories
from tests.pipeline.contacts.records import (
    NOON,
    TASK,
    call,
    changed,
    completed,
    decided,
    reservation,
    started,
)


def logged(events: list[CtiEvent]) -> list[Logged[Call]]:
    """The versions that the events make, a second apart."""
    found: list[Logged[Call]] = []
    for event in events:
        outcome = fold(found[-1].record if found else None, event)
        if isinstance(outcome, Folded) and outcome.news:
            found.append(Logged(NOON + 1_000 * len(found), outcome.call))
    return found


@settings(max_examples=examples(40), deadline=None)
@given(histories(), st.integers(0, 40), st.integers(0, 40))
def test_what_is_written_again_is_no_version(events: list[CtiEvent], cut: int, back: int) -> None:
    """A process that was killed writes its last versions once more: each is there once, and what
    holds at its end is the last."""
    log = logged(events)
    cut = min(cut, len(log))
    repeated = [*log[:cut], *log[max(0, cut - back) :]]
    found = versions(repeated)
    assert [entry.record for entry in log] == [version.call for version in found]
    assert (log[-1].record if log else None) == (found[-1].call if found else None)


@settings(max_examples=examples(40), deadline=None)
@given(histories(), st.integers(-1, 60_000))
def test_what_held_is_the_last_version_until_then(events: list[CtiEvent], after: int) -> None:
    """By log time; before the first there is none."""
    found = versions(logged(events))
    until = [version for version in found if version.at <= NOON + after]
    assert (until[-1] if until else None) == held(found, NOON + after)


@settings(max_examples=examples(40), deadline=None)
@given(histories())
def test_nothing_changed_means_no_words(events: list[CtiEvent]) -> None:
    """Every phrase is said of a difference, and of a first version there is always one."""
    found = versions(logged(events))
    assert all(() == changes(version.call, version.call) for version in found)
    assert not found or found[0].changes


def test_changes_are_told_in_words() -> None:
    """What an agent, a leg, the task and the call did."""
    story = Story().task("created", 0).reservation("created", 1_000, "ann")
    story.reservation("accepted", 2_000, "ann").participant("hold", 5_000, CUSTOMER_LEG)
    told = [version.changes for version in versions(logged(story.events))]
    assert "task created" in told[0]
    assert {"state forming -> active", "ann@example.com alerting"} <= set(told[1])
    assert "ann@example.com alerting -> active" in told[2]
    assert "reservation ann@example.com accepted" in told[2]
    assert "ann@example.com active -> hold" in told[3]


def a_history() -> tuple[Version, ...]:
    ann = reservation(1, "ann", created=0, accepted=100)
    left = reservation(1, "ann", created=0, accepted=100, wrapup=5_400)
    return versions(
        [
            Logged(NOON + 200, call(ann)),
            Logged(NOON + 5_500, call(left, revision=2, completed=5_500)),
        ]
    )


OTHERS = [
    Logged(NOON + 210, decided(210, "record", "started: monitored agent ann@example.com")),
    Logged(NOON + 300, changed(1, "running", 300, "MZ1")),
    Logged(NOON + 310, started(1, 300)),
    Logged(NOON + 5_510, decided(5_510, "stop", "stopped: last monitored agent left")),
    Logged(NOON + 5_600, changed(1, "stopped", 5_600, "MZ1")),
    Logged(NOON + 5_700, completed(1, 300, 5_300)),
]


def test_json_has_the_documented_shape() -> None:
    """Times are RFC 3339; the decision is the one in force; `versions` only if requested."""
    found = a_history()
    shown = as_json(known(found[-1], OTHERS), found, None)
    assert json.loads(json.dumps(shown)) == shown
    assert {
        "task_sid", "at", "version", "call", "decision", "decisions", "streams", "recordings",
        "versions", "contradictions", "dead_letters",
    } == set(shown)  # fmt: skip
    assert [1, 2] == [version["revision"] for version in shown["versions"]]
    assert {"revision", "at", "cause", "changes"} == set(shown["version"])
    assert {"event_id", "type", "at"} == set(shown["version"]["cause"])
    assert ("stop", 2) == (shown["decision"]["decision"], len(shown["decisions"]))
    assert ["stopped"] == [each["state"] for each in shown["streams"]]
    assert [5_000] == [each["duration_ms"] for each in shown["recordings"]]
    assert shown["call"]["milestones"]["created"].endswith("Z")
    assert shown["call"]["connections"][0]["ended_at"].endswith("Z")
    then = as_json(known(found[0], OTHERS[:3]), None, NOON + 400)
    assert "versions" not in then
    assert ("record", "active") == (then["decision"]["decision"], then["call"]["state"])


def test_an_open_supplement_is_shown_beside_its_complete_recording() -> None:
    """Audio that came for a completed media stream is a recording of its own."""
    supplement = started(1, 9_000, inum="7", recording_id="MZ1:5", supplement_of=f"{NOON}1")
    whole = [*OTHERS[:-1], Logged(NOON + 5_700, completed(1, 300, 5_300, recording_id="MZ1"))]
    found = a_history()
    text = as_text(known(found[-1], [*whole, Logged(NOON + 9_100, supplement)]), found, None)
    assert "  7  MZ1  being recorded" in text
    assert "complete, 5.000 s" in text


def test_text_tells_it_to_people() -> None:
    """Every version with its cause, the state, the reasons, the media streams, the recordings."""
    found = a_history()
    text = as_text(known(found[-1], OTHERS), found, None)
    for words in (
        "ended, direction inbound, customer +15550001111, queue Billing",
        "ann@example.com active -> ended",
        "stopped: last monitored agent left",
        "(in force)",
        "MZ1  stopped: is stopped",
        "complete, 5.000 s, 1 frames lost",
    ):
        assert words in text
    bare = as_text(known(found[0], []), None, NOON + 400)
    assert "Version 1 (held at " in bare
    assert 3 == bare.count("  none")


def test_dead_letters_of_the_call_are_counted() -> None:
    """Each with its time and its reason; without any, people read nothing of them."""
    found = a_history()
    value, _ = dead_letter(
        reason="not-json", detail="unexpected\nend", role="flexcapture-bridge", origin="s",
        part="p", position="1", at=NOON, key=None, original=b"{" + TASK.encode(),
    )  # fmt: skip
    letter = decode(value)
    assert TASK == letter.task_sid
    with_it = known(found[-1], [*OTHERS, Logged(NOON + 900, letter)])
    assert [{"at": rfc3339(NOON + 900), "reason": "not-json", "detail": "unexpected\nend"}] == (
        as_json(with_it, None, None)["dead_letters"]
    )
    assert "not-json: unexpected end" in as_text(with_it, None, None)
    assert "Dead letters" not in as_text(known(found[-1], OTHERS), None, None)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1780000000123", 1_780_000_000_123),
        ("2026-05-28T20:26:40Z", NOON),
        ("2026-05-28T22:26:40.123456+02:00", NOON + 123),
    ],
)
def test_a_moment_is_read(text: str, at: int) -> None:
    """Milliseconds, or RFC 3339 with an offset."""
    assert at == moment(text)


@pytest.mark.parametrize(
    "text", ["", "now", "1780000000", "2026-05-28T20:26:40", "2026-05-28", "-1"]
)
def test_a_moment_that_is_none_is_refused(text: str) -> None:
    """Seconds and times without an offset are refused too."""
    with pytest.raises(ValueError, match=r"milliseconds|offset"):
        moment(text)
