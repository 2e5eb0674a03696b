"""Dead letters: the bytes, the position and the reason, in our record and in Kafka Connect's
headers."""

import pytest

from pipeline.dead_letters import dead_letter
from schemas.codec import decode
from schemas.records import DeadLetter

LETTER = {
    "reason": "not-json",
    "detail": "expected value at line 1",
    "role": "bridge",
    "origin": "flex-events",
    "part": "shardId-000000000000",
    "position": "49590338271490256608559692538361571095921575989136588898",
    "at": 1_763_879_862_345,
    "key": b"WT1",
    "original": b"{",
}


def test_record_and_headers():
    """The record holds all of it; the headers have Connect's names, and text values."""
    value, headers = dead_letter(**LETTER, exception="orjson.JSONDecodeError")
    assert DeadLetter(**LETTER) == decode(value)
    assert {
        "__connect.errors.topic": b"flex-events",
        "__connect.errors.partition": b"shardId-000000000000",
        "__connect.errors.offset": LETTER["position"].encode(),
        "__connect.errors.connector.name": b"bridge",
        "__connect.errors.stage": b"VALUE_CONVERTER",
        "__connect.errors.exception.class.name": b"orjson.JSONDecodeError",
        "__connect.errors.exception.message": b"expected value at line 1",
    } == dict(headers)


def test_what_would_not_fit_is_cut():
    """A record of 5 MB and an endless detail make a letter that Kafka takes, and it says so."""
    big = LETTER | {"original": b"x" * 5_000_000, "detail": "y" * 100_000}
    value, headers = dead_letter(**big)
    letter = decode(value)
    assert len(value) + sum(len(v) for _, v in headers) < 4 * 1024 * 1024
    assert letter.detail.endswith("[5000000 bytes, cut]")
    assert b"x" * (4 * 1024 * 1024 - 64 * 1024) == letter.original


SID, OTHER = "WT" + "1" * 32, "WT" + "2" * 32


@pytest.mark.parametrize(
    ("stated", "key", "original", "task_sid"),
    [
        (OTHER, SID.encode(), b"", OTHER),
        (None, SID.encode(), OTHER.encode(), SID),
        (None, None, b"{" + SID.encode(), SID),
        (None, b"7", SID.encode(), SID),
        (None, None, f"{SID} {OTHER}".encode(), None),
    ],
)
def test_a_dead_letter_names_its_call(stated, key, original, task_sid):
    """The call that the caller states, or the only one in the key, or the only one in the bytes."""
    value, headers = dead_letter(**LETTER | {"key": key, "original": original}, task_sid=stated)
    assert task_sid == decode(value).task_sid
    in_header = dict(headers).get("flexcapture.task_sid")
    assert (task_sid.encode() if task_sid else None) == in_header
