"""Odd text and odd times do not change the content of an event, for a lenient reader."""

import json
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cases import scripts
from simulator.events import Account
from simulator.script import EventSent, Json
from simulator.unusual_tasks import text_that_strict_parsers_refuse, times_in_any_notation
from simulator.writing import BYTE_ORDER_MARK, EXACT, INEXACT, INVALID
from tests.examples import examples

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_790_000_000_000
SOME = settings(max_examples=examples(20))


def _sent(case: Any, seed: int) -> list[tuple[Json, bytes]]:
    (script,) = scripts([case], BEGIN, 0, ACCOUNT, seed)
    actions = [s.action for s in script.steps if isinstance(s.action, EventSent)]
    assert all(action.record is not None for action in actions)
    return [(action.event, action.record or b"") for action in actions]


def _read(record: bytes) -> Json:
    """The record as Python reads it (it refuses numbers of more than 4300 digits)."""
    text = record.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "surrogatepass")
    found: Json = json.loads(text, parse_int=lambda digits: int(digits[:20]))
    return found


@given(st.integers(0, 2**63))
@SOME
def test_odd_text_says_the_same(seed: int) -> None:
    """A tolerant reader finds the event, with the attributes that it had before."""
    for event, record in _sent(text_that_strict_parsers_refuse, seed):
        found = _read(record)
        assert (event["id"], event["type"]) == (found["id"], found["type"])
        for name, text in event["data"].get("payload", {}).items():
            odd = found["data"]["payload"][name]
            if name.endswith("_attributes"):
                attributes = _read(odd.encode("utf-8", "surrogatepass"))
                assert json.loads(text).items() <= attributes.items()
            elif name not in ("task_age", "task_priority"):
                assert text == odd


@given(st.integers(0, 2**63))
@SOME
def test_one_time_of_each_event_is_a_time(seed: int) -> None:
    """The payload's own time, else the CloudEvent's, is written in a notation of a time."""
    for event, record in _sent(times_in_any_notation, seed):
        found = json.loads(record)
        at = round(datetime.fromisoformat(event["time"]).timestamp() * 1000)
        exact = [write(at) for write in EXACT]
        payload = found["data"].get("payload")
        if payload is None:
            assert event["data"] == found["data"]
        else:
            valid = payload["timestamp"] in exact
            assert valid or (payload["timestamp"] in INVALID and found["time"] in exact)


def test_a_time_in_any_notation_is_near() -> None:
    """The notations of a time differ in form only; those without seconds lie in the minute."""
    at = BEGIN + 61_234
    assert "2026-09-21t14:14:21.234z" == EXACT[0](at)
    assert "2026-09-21T14:14:21,234Z" == EXACT[1](at)
    assert "2026-09-21T15:14:21.234+01:00" == EXACT[3](at)
    assert "2026-09-21T14:14Z" == INEXACT[0](at)
    assert {at, str(at), at // 1000, str(at // 1000), at / 1000} <= {w(at) for w in EXACT}


def test_the_same_seed_writes_the_same() -> None:
    """A run can be repeated by its seed."""
    first, again = (_sent(text_that_strict_parsers_refuse, 7) for _ in range(2))
    assert first == again
    assert any(record.startswith(BYTE_ORDER_MARK) for _, record in first)
