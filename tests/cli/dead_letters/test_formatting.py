"""One dead letter as a line, as JSON and as text."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cli.dead_letters.formatting import as_json, as_text, line
from tests.cli.dead_letters.letters import EVENT, letter, mark


def test_a_line_names_the_letter_and_its_origin() -> None:
    """ID, time, reason, place, detail; then the call and the last retry, if there are any."""
    shown = line(letter())
    parts = ["3-14", "1970-01-01T00:00:01.000Z", "not-json", "flex-events/shardId-3@17", "why"]
    assert parts == shown.split()
    shown = line(letter(retried=mark(), task_sid="WT1"))
    assert shown.endswith("why  WT1  [put-back 1970-01-01T00:00:05.000Z]")


@given(st.text())
def test_a_detail_stays_on_its_line(detail: str) -> None:
    """Line breaks become spaces, and long details are cut off."""
    shown = line(letter(detail=detail))
    assert 1 == len(shown.split("\n"))
    assert len(shown) <= 200


@given(st.binary(), st.none() | st.binary(max_size=9))
def test_any_letter_is_json(original: bytes, key: bytes | None) -> None:
    """The bytes are only counted; a key that is no text is replaced."""
    found = letter(original)
    shown = as_json(replace(found, record=replace(found.record, key=key)))
    assert shown == json.loads(json.dumps(shown))
    assert len(original) == shown["bytes"]
    assert (shown["key"] is None) == (key is None)


def test_the_last_retry_is_in_the_json() -> None:
    """With its outcome and the number of records."""
    assert as_json(letter())["retried"] is None
    retried = as_json(letter(retried=mark(outcome="nothing-to-write")))["retried"]
    assert ("nothing-to-write", 1) == (retried["outcome"], retried["records"])


@given(st.binary())
def test_the_text_ends_with_the_original(original: bytes) -> None:
    """Bytes that are no text are escaped. Fields without a value are left out."""
    fields, _, shown = as_text(letter(original)).partition("\n\n")
    assert original.decode(errors="backslashreplace") == shown
    assert "None" not in fields
    assert "retried" not in fields


def test_the_text_has_the_last_retry() -> None:
    """As one line."""
    assert "retried      put-back 1970-01-01T00:00:05.000Z" in as_text(
        letter(EVENT, retried=mark())
    )
