"""The meaning of Kinesis' errors."""

from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

_ABSENT = frozenset({"ResourceNotFoundException"})
_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
_SIGNATURE = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"})
_CLOCK_WORDS = ("signature expired", "not yet current")


class KinesisUnavailable(Exception):
    """Kinesis did not answer, or answered with an error, which the text states."""


class ClockRefused(KinesisUnavailable):
    """AWS refuses this machine's signatures because its clock is wrong."""


class StreamAbsent(KinesisUnavailable):
    """The stream, or the requested part of it, does not exist (any more)."""


def unavailable(error: ClientError, now: float) -> KinesisUnavailable:
    """Return the meaning of an error of AWS. `now`: this machine's clock, s since the epoch."""
    text = f"{error.operation_name}: {error}"
    code, lower = code_of(error), text.lower()
    if code in _CLOCK or (code in _SIGNATURE and any(words in lower for words in _CLOCK_WORDS)):
        return ClockRefused(f"{_clock_error(error, now)}: set it (NTP). {text}")
    return StreamAbsent(text) if code in _ABSENT else KinesisUnavailable(text)


def _clock_error(error: ClientError, now: float) -> str:
    """Return by how much this machine's clock is wrong, by the time in AWS's answer."""
    metadata: Any = error.response.get("ResponseMetadata", {})
    try:
        there = parsedate_to_datetime(metadata["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return "AWS refuses the clock of this machine"
    skew = now - there
    side = "ahead" if skew > 0 else "behind"
    return f"AWS refuses the clock of this machine, which is {abs(skew):.0f} s {side}"


def code_of(error: BaseException | None) -> str:
    """Return the code of an error that AWS answered; empty for any other error."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
