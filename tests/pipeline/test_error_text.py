"""The text of an error is never empty."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, RequestTimedOutError

from pipeline.error_text import error_text, typed_error_text


def test_the_own_text_of_an_error_is_shown() -> None:
    """A text that explains the error is not replaced."""
    assert "the disk is full" == error_text(OSError("the disk is full"))
    assert "KafkaConnectionError: no broker" == error_text(KafkaConnectionError("no broker"))


def test_a_time_out_without_text_is_explained() -> None:
    """`asyncio.timeout` raises `TimeoutError()`, which has no text."""
    assert "no answer in time" == error_text(TimeoutError())
    assert "within 3 s" == error_text(TimeoutError("within 3 s"))


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ConnectionResetError(), "ConnectionResetError"),
        (asyncio.CancelledError(), "CancelledError"),
        (RuntimeError(" \n"), "RuntimeError"),
        (KafkaError(), "KafkaError"),
        (RequestTimedOutError(), "RequestTimedOutError"),
    ],
)
def test_an_error_without_text_is_named_by_its_type(error: BaseException, name: str) -> None:
    """The text contains the name of the type, so that a reason in `/healthz` is never empty."""
    assert name in error_text(error)


def test_the_type_is_shown_with_the_text() -> None:
    """Without a text there is no colon after it."""
    assert "KeyError: 'a'" == typed_error_text(KeyError("a"))
    assert "ConnectionResetError" == typed_error_text(ConnectionResetError())
