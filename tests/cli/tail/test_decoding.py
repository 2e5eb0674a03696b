"""Records of Kafka, decoded if possible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.tail.decoding import decoded, is_of_task
from schemas.codec import encode
from tests.cli.tail.test_formatting import DECIDED, NOON, TASK, consumed


def test_a_record_keeps_its_place_and_its_bytes() -> None:
    """Beside the decoded value."""
    shown = decoded(consumed(encode(DECIDED)))
    assert ("stream.events", 3, 17, NOON + 5, TASK) == (
        shown.topic, shown.partition, shown.offset, shown.timestamp, shown.key,
    )  # fmt: skip
    assert (DECIDED, "RecordingDecided", encode(DECIDED), None) == (
        shown.value, shown.type, shown.raw, shown.error,
    )  # fmt: skip


def test_a_tombstone_has_neither_value_nor_error() -> None:
    """A record that cannot be decoded has an error."""
    shown = decoded(consumed(None))
    assert (None, None, None, None) == (shown.value, shown.type, shown.raw, shown.error)
    shown = decoded(consumed(b"junk"))
    assert (None, b"junk", True) == (shown.value, shown.raw, bool(shown.error))


@given(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=12))
def test_any_bytes_are_shown(value: bytes | None, key: bytes | None) -> None:
    """Nothing in a key or a value is an error of the command."""
    shown = decoded(consumed(value, key))
    assert (key is None) == (shown.key is None)
    assert shown.value is None or shown.error is None


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (TASK, None, True),
        (None, encode(DECIDED), True),
        ("CA1", encode(DECIDED), True),
        ("CA1", b"junk", False),
        (None, None, False),
    ],
)
def test_a_record_of_a_task(key: str | None, value: bytes | None, expected: bool) -> None:
    """Its key or its own field names the task."""
    shown = decoded(consumed(value, None if key is None else key.encode()))
    assert expected == is_of_task(shown, TASK)
