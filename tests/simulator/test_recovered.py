"""A call without media streams: which results are right."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cases import Case, scripts
from simulator.events import iso
from simulator.expected import inum_suffix
from simulator.recorded import RecordedCall, RecordedConferences
from simulator.recovered import recovered_differences
from simulator.script import Json, Script
from simulator.unstreamed import recovered, undelivered
from simulator.verify import differences, settled
from simulator.world import WorldLeg
from tests.examples import examples
from tests.simulator.test_unstreamed import ACCOUNT, BEGIN, LATER, played
from tests.simulator.test_verify import wav_of

CUT_MS = 500
EXTENSION = "ann@example.com"


@dataclass
class Result:
    """A call, and what the product makes of it: right, until a test changes it."""

    script: Script
    legs: list[WorldLeg]
    recorded: RecordedCall
    contact: Json
    sides: tuple[bytes, bytes]

    @property
    def recording(self) -> Json:
        [found] = self.contact["recordings"]
        assert isinstance(found, dict)
        return found

    def differences(self) -> list[str]:
        """Return the differences that the whole verifier finds."""
        return differences(
            self.script, self.legs, self.contact, self.audio(), recorded=self.recorded
        )

    def audio(self) -> dict[str, bytes]:
        samples = bytearray(2 * len(self.sides[0]))
        samples[::2], samples[1::2] = self.sides
        return {self.recording["inum"]: wav_of(bytes(samples))}


def right(seed: int = 1, case: Case = recovered) -> Result:
    """The call as the product recovers it: half a second is cut away at both ends."""
    [script] = scripts([case], BEGIN, 0, ACCOUNT, seed)
    world, is_refused = played(script), case is recovered
    world.legs[str(script.customer_call_sid)].attempts = 2 if is_refused else 0
    conferences = RecordedConferences(world)
    recorded = conferences.of_call(script.task_sid, script.customer_call_sid, LATER)
    assert recorded is not None
    [wanted] = script.expectation.recordings
    first = (wanted.begins_at + CUT_MS - recorded.recording.started_at) * 8
    last = (wanted.ends_at - CUT_MS - recorded.recording.started_at) * 8
    sides = (recorded.customer[first:last], recorded.others[first:last])
    source, lasted = recorded.recording, (last - first) // 8
    inum = f"{source.started_at // 1000}{inum_suffix(source.sid)}"
    expected = script.expectation
    [session] = expected.sessions
    assert session.started_at is not None
    contact: Json = {
        "task_sid": script.task_sid,
        "direction": expected.direction,
        "customer": expected.customer,
        "state": "ended",
        "outcome": expected.outcome,
        "capture": "complete",
        "required_ms": wanted.ends_at - wanted.begins_at,
        "captured_ms": lasted,
        "reconciliation": None if is_refused else {"result": "recovered", "events_added": 7},
        "gaps": [
            {
                "from": iso(wanted.begins_at),
                "to": iso(wanted.ends_at),
                "reason": "twilio-refused" if is_refused else "late-events",
                "covered_by": inum,
            }
        ],
        "sessions": [
            {
                "reservation_sid": session.reservation_sid,
                "extension": session.extension,
                "monitored": session.monitored,
                "started_at": iso(session.started_at),
                "ended_at": iso(session.ended_at),
            }
        ],
        "recordings": [
            {
                "inum": inum,
                "source": "twilio-recording",
                "state": "complete",
                "stream_sid": source.sid,
                "call_sid": source.call_sid,
                "extension": EXTENSION,
                "extensions": [EXTENSION],
                "started_at": iso(wanted.begins_at + CUT_MS),
                "duration_ms": lasted,
                "frames": {"received": lasted // 10, "lost": 0, "duplicate": 0, "invalid": 0},
                "audio_url": "/audio",
            }
        ],
    }
    legs = [world.legs[sid] for sid in script.legs]
    return Result(script, legs, recorded, contact, sides)


@given(seed=st.integers(0, 2**63), off=st.integers(-900, 900))
@settings(max_examples=examples(8), deadline=None)
def test_what_was_recovered_is_right(seed: int, off: int) -> None:
    """The start may be off by less than a second: Twilio states whole seconds."""
    result = right(seed)
    [wanted] = result.script.expectation.recordings
    result.recording["started_at"] = iso(wanted.begins_at + CUT_MS + off)
    assert [] == result.differences()
    assert settled(result.script, result.contact)


def test_a_call_without_events_must_be_found() -> None:
    """By the comparison with Twilio's lists, which adds its events. No media stream is asked
    for."""
    assert [] == right(case=undelivered).differences()
    for change in (
        _set("reconciliation", to=None),
        _set("reconciliation", "events_added", to=0),
        _set("reconciliation", "result", to="lost"),
        _set("gaps", 0, "reason", to="twilio-refused"),
        _ask_for_a_media_stream,
    ):
        result = right(case=undelivered)
        change(result)
        assert [] != result.differences()


def test_it_is_not_settled_before_it_was_fetched() -> None:
    """Until then the contact has no recording."""
    result = right()
    missing = result.contact | {"recordings": [], "capture": "missing"}
    assert not settled(result.script, missing)


def _set(*path: Any, to: Any) -> Callable[[Result], None]:
    def change(result: Result) -> None:
        found: Any = result.contact
        for name in path[:-1]:
            found = found[name]
        found[path[-1]] = to

    return change


def _a_side_is_wrong(number: int) -> Callable[[Result], None]:
    def change(result: Result) -> None:
        side = result.sides[number]
        wrong = side[:-1] + bytes([side[-1] ^ 1])
        result.sides = (wrong, result.sides[1]) if number == 0 else (result.sides[0], wrong)

    return change


def _swap_sides(result: Result) -> None:
    result.sides = result.sides[::-1]


def _keep_the_ringing(result: Result) -> None:
    result.sides = result.recorded.customer, result.recorded.others
    lasted = len(result.sides[0]) // 8
    result.recording["started_at"] = iso(result.recorded.recording.started_at)
    result.recording["duration_ms"] = lasted
    result.recording["frames"]["received"] = 2 * -(-len(result.sides[0]) // 160)


def _keep_what_follows(result: Result) -> None:
    """The recording seems to last as long: the call was over before."""
    [wanted] = result.script.expectation.recordings
    earlier = replace(wanted, ends_at=wanted.ends_at - 1_600)
    expectation = replace(result.script.expectation, recordings=(earlier,))
    result.script = replace(result.script, expectation=expectation)
    result.contact["required_ms"] -= 1_600
    result.contact["captured_ms"] -= 1_600


def _ask_for_a_media_stream(result: Result) -> None:
    [leg] = [leg for leg in result.legs if leg.sid == result.script.customer_call_sid]
    leg.attempts = 1


def _stop_asking(result: Result) -> None:
    for leg in result.legs:
        leg.attempts = 0


def _ask_on_the_agents_leg(result: Result) -> None:
    [agents] = [leg for leg in result.legs if leg.sid != result.script.customer_call_sid]
    agents.attempts = 1


SPOILS: dict[str, Callable[[Result], None]] = {
    "source": _set("recordings", 0, "source", to="stream"),
    "stream_sid": _set("recordings", 0, "stream_sid", to="MZ1"),
    "call_sid": _set("recordings", 0, "call_sid", to="CA1"),
    "extensions": _set("recordings", 0, "extensions", to=[]),
    "started_at": _set("recordings", 0, "started_at", to=iso(BEGIN)),
    "duration_ms": _set("recordings", 0, "duration_ms", to=1),
    "frames": _set("recordings", 0, "frames", "received", to=1),
    "capture": _set("capture", to="partial"),
    "captured_ms": _set("captured_ms", to=1_000),
    "required_ms": _set("required_ms", to=60_000),
    "outcome": _set("outcome", to="abandoned"),
    "covered_by": _set("gaps", 0, "covered_by", to=None),
    "reason": _set("gaps", 0, "reason", to="unknown"),
    "no gap": _set("gaps", to=[]),
    "no recording": _set("gaps", 0, "covered_by", to="1" * 18),
    "left": _a_side_is_wrong(0),
    "right": _a_side_is_wrong(1),
    "sides": _swap_sides,
    "too early": _keep_the_ringing,
    "too late": _keep_what_follows,
    "not asked": _stop_asking,
    "wrong leg": _ask_on_the_agents_leg,
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_mistakes_are_found(spoil: Callable[[Result], None]) -> None:
    """Each wrong value, each wrong sample, and each second too many."""
    result = right()
    spoil(result)
    assert [] != result.differences()


def test_a_wrong_inum_is_found() -> None:
    """Of another second, and of another recording."""
    for wrong in (lambda inum: "1" * 10 + inum[10:], lambda inum: inum[:10] + "1" * 8):
        result = right()
        inum = wrong(result.recording["inum"])
        result.recording["inum"] = result.contact["gaps"][0]["covered_by"] = inum
        [difference] = result.differences()
        assert "INUM" in difference


def test_missing_audio_and_a_missing_contact_are_found() -> None:
    """As is a call of which Twilio has no recording."""
    result = right()
    [wanted] = result.script.expectation.recordings
    find = recovered_differences
    assert ["no audio"] == find(wanted, result.contact, {}, result.recorded)
    broken = {result.recording["inum"]: b"RIFF"}
    [difference] = find(wanted, result.contact, broken, result.recorded)
    assert difference.startswith("audio: ")
    assert ["Twilio has no recording of the call"] == find(
        wanted, result.contact, result.audio(), None
    )
    assert ["no contact"] == differences(
        result.script, result.legs, None, {}, recorded=result.recorded
    )
