"""Each fact is fetched within its time, and each error becomes a trouble."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError
from sqlalchemy.exc import OperationalError

from bridge.unavailable import KinesisUnavailable
from cli.twilio.doctor.asking import FACT_S, MAX_TEXT, fetched
from cli.twilio.doctor.results import CheckTrouble
from pipeline.runtime.settings import SettingsError
from pipeline.runtime.twilio_http import TwilioError
from tests.virtual_time import virtually


async def fact(error: BaseException | None = None, seconds: float = 0.0) -> str:
    """Return a fact after some seconds, or raise."""
    await asyncio.sleep(seconds)
    if error is not None:
        raise error
    return "fact"


def test_a_fact_is_returned_as_it_is() -> None:
    """If it comes in time."""
    assert "fact" == virtually(fetched(fact(seconds=FACT_S - 0.1)))


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (TwilioError(403, 20403, "denied"), CheckTrouble("403 20403: denied", 403)),
        (
            OperationalError("SELECT secret", {}, ValueError("refused\nby the server")),
            CheckTrouble("ValueError: refused"),
        ),
        (SettingsError("X is not set: y"), CheckTrouble("X is not set: y", is_unset=True)),
        (SettingsError("X is wrong"), CheckTrouble("X is wrong")),
        (KinesisUnavailable("throttled"), CheckTrouble("throttled")),
        (LookupError("no topic"), CheckTrouble("no topic")),
        (TimeoutError("the brokers"), CheckTrouble("the brokers")),
        (
            KafkaConnectionError("away"),
            CheckTrouble("KafkaConnectionError: KafkaConnectionError: away"),
        ),
        (ConnectionResetError("reset"), CheckTrouble("ConnectionResetError: reset")),
        (ValueError("no JSON\n" + "x" * 500), CheckTrouble("ValueError: no JSON")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_a_trouble_of_one_line(error: Exception, trouble: CheckTrouble) -> None:
    """With its type if the text alone is unclear. The statement of a database error is left out."""
    assert trouble == virtually(fetched(fact(error)))


def test_a_long_text_is_cut_off() -> None:
    """Errors may contain whole answers."""
    found = virtually(fetched(fact(LookupError("x" * 5_000))))
    assert CheckTrouble("x" * MAX_TEXT) == found


def test_a_fact_that_takes_too_long_is_a_trouble() -> None:
    """With the time that was waited."""
    assert CheckTrouble("no answer within 6 s") == virtually(fetched(fact(seconds=7), 6))


@pytest.mark.parametrize("error", [AssertionError("x"), asyncio.CancelledError("x")])
def test_defects_are_not_hidden(error: BaseException) -> None:
    """Nor is a cancellation."""
    with pytest.raises(type(error)):
        virtually(fetched(fact(error)))
