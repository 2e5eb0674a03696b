"""Fetch facts, each within a time limit, and return errors as `CheckTrouble`. I/O."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from bridge.unavailable import KinesisUnavailable
from cli.twilio.doctor.results import CheckTrouble
from pipeline.runtime.settings import SettingsError
from pipeline.runtime.twilio_http import TwilioError

FACT_S = 20.0
"""The longest time (s) for one fact."""
MAX_TEXT = 300

T = TypeVar("T")


async def fetched(fact: Awaitable[T], seconds: float = FACT_S) -> T | CheckTrouble:
    """Return the fact, or why it could not be fetched."""
    try:
        async with asyncio.timeout(seconds):
            return await fact
    except TwilioError as error:
        return CheckTrouble(str(error), error.status)
    except TimeoutError as error:
        return CheckTrouble(_first_line(error) or f"no answer within {seconds:g} s")
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        return CheckTrouble(f"{type(cause).__name__}: {_first_line(cause)}")
    except SettingsError as error:
        return CheckTrouble(_first_line(error), is_unset="is not set" in str(error))
    except (KinesisUnavailable, LookupError) as error:
        return CheckTrouble(_first_line(error))
    except (KafkaError, OSError, ValueError) as error:
        return CheckTrouble(f"{type(error).__name__}: {_first_line(error)}")


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0][:MAX_TEXT]
