"""Findings of a test call, from its observations."""

from dataclasses import replace

import pytest

from cli.check_call.findings import Finding, findings, needs_change, problem_of
from cli.check_call.observations import Answer, Observations
from cli.check_call.verdicts import Status
from schemas.records import HandshakeRefused, MediaStreamObserved
from tests.cli.check_call.usual import (
    CALL,
    TASK,
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
