"""The history of a call as JSON and as text."""

import json

from cli.call.formatting import as_json, as_text
from cli.call.versions import Logged, Version, known, versions
from pipeline.dead_letters import dead_letter
from pipeline.times import rfc3339
from schemas.codec import decode
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
    entries = [*OTHERS[:-1], Logged(NOON + 5_700, completed(1, 300, 5_300, recording_id="MZ1"))]
    found = a_history()
    text = as_text(known(found[-1], [*entries, Logged(NOON + 9_100, supplement)]), found, None)
    assert "  7  MZ1  being recorded" in text
    assert "complete, 5.000 s" in text


def test_text_is_readable() -> None:
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
    """Each with its time and its reason; without any, the text does not mention them."""
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
