"""Text that strict readers refuse, from Kinesis to the consolidated contact: nothing is lost."""

import json

import orjson
import pytest

from pipeline.calls.merge import fold
from pipeline.contacts.contact import contact
from pipeline.contacts.state import empty
from pipeline.contacts.state import fold as contact_fold
from pipeline.kinesis.messages import Message
from pipeline.policy.monitored_list import NOBODY, PolicyHistory
from pipeline.store.sanitize import storable
from schemas.codec import decode, encode
from schemas.records import Contact, CtiEvent, DeadLetter
from schemas.topics import CTI_EVENTS
from tests.pipeline.calls.odd_events import AT, LEG, TASK, attributes, carried, event

DEEP = '{"a":' * 50_000 + "1" + "}" * 50_000

ODD = {
    "half a pair": r'"thanks \ud83d"',
    "the other half": r'"\ude00 thanks"',
    "out of range": "1e999",
    "not a number": "NaN",
    "infinity": "-Infinity",
    "long number": "9" * 6_000,
    "escaped NUL": r'"a\u0000b"',
    "raw NUL": '"a\x00b"',
    "deep": DEEP,
    "deep as Python reads it": "[" * 900 + "]" * 900,
    "twice": '1,"odd":2',
    "huge": '"' + "x" * 2_000_000 + '"',
    "huge, of two bytes a character": '"' + "é" * 2_000_000 + '"',
    "huge, of quotes": '"' + r"\"" * 700_000 + '"',
}


def through_the_pipeline(message: Message) -> Contact:
    """The contact as it is stored, made of one message of the bridge."""
    assert CTI_EVENTS.name == message.topic
    found = decode(message.value)
    assert isinstance(found, CtiEvent)
    assert TASK == found.task_sid
    folded = fold(None, found, AT)
    assert not isinstance(folded, str)
    call = decode(encode(folded.call))  # type: ignore[union-attr]
    made = contact(contact_fold(empty(TASK), call, AT), PolicyHistory.of([NOBODY]), AT)
    assert made is not None
    stored = storable(decode(encode(made)))
    assert "\x00" not in repr(stored)
    json.dumps(stored.customer, ensure_ascii=False, allow_nan=False).encode()
    return stored  # type: ignore[no-any-return]


def check(message: Message, customer: str = "+1555") -> None:
    """Direction, customer, leg and extension are those of the attributes."""
    made = through_the_pipeline(message)
    assert ("inbound", customer, (LEG,)) == (made.direction, made.customer, made.call_sids)
    assert ["ann@example.com"] == [s.extension for s in made.sessions]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_attributes_of_task_and_worker(odd: str) -> None:
    """An odd field is no reason to lose the others."""
    task = attributes(odd, direction="inbound", call_sid=LEG, **{"from": "+1555"})
    worker = attributes(odd, email="Ann@example.com")
    check(carried(json.dumps(event(task, worker), ensure_ascii=False).encode()))


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_event(odd: str) -> None:
    """The same in the event itself, with attributes as objects too, alone and in an array."""
    known = {"direction": "inbound", "call_sid": LEG, "from": "+1555"}
    plain = event(known, {"email": "Ann@example.com"}, odd="ODD")
    text = json.dumps({**plain, "more": "ODD"}, ensure_ascii=False).replace('"ODD"', odd)
    check(carried(text.encode()))
    check(carried(f"[{text}]".encode()))
    check(carried(b"\xef\xbb\xbf" + text.encode()))


@pytest.mark.parametrize("odd", [r"+1555\ud83d", r"+1555\u0000"])
def test_an_odd_value_that_matters(odd: str) -> None:
    """It is kept, with U+FFFD for characters that cannot be stored."""
    task = f'{{"direction":"inbound","call_sid":"{LEG}","from":"{odd}"}}'
    raw = orjson.dumps(event(task, {"email": "Ann@example.com"}))
    check(carried(raw), customer="+1555\ufffd")


def test_a_body_is_json_for_every_reader() -> None:
    """Text that was read leniently is written again; strict text stays as it came."""
    raw = json.dumps(event({}, {})).encode()
    assert raw == decode(carried(raw).value).body.encode()
    odd = raw.replace(b'"worker_name": "ann"', b'"worker_name": "ann \\ud83d", "x": 1e999')
    found = orjson.loads(decode(carried(odd).value).body)
    payload = found["data"]["payload"]
    assert ("ann \ufffd", None) == (payload["worker_name"], payload["x"])


@pytest.mark.parametrize(
    ("raw", "sid"),
    [
        (json.dumps(event({}, {})).encode()[:-9], TASK),
        (f'{{"id": {TASK}'.encode(), TASK),
        (b"\x00\x01" + TASK.encode() + b"\xff", TASK),
        (f"{TASK} {TASK}".encode(), TASK),
        (f"{TASK} {'WT' + 'e' * 32}".encode(), None),
        (b"neither JSON nor a task", None),
        (json.dumps({**event({}, {}), "id": None}).encode(), TASK),
    ],
)
def test_an_unreadable_event_is_counted_for_its_call(raw: bytes, sid: str | None) -> None:
    """If the bytes name one: as the dead letter's key, in it, and in its headers."""
    message = carried(raw)
    letter = decode(message.value)
    assert isinstance(letter, DeadLetter)
    assert sid == letter.task_sid == message.task_sid
    assert (None if sid is None else sid.encode()) == message.key
    assert (sid or "").encode() == dict(message.headers).get("flexcapture.task_sid", b"")
