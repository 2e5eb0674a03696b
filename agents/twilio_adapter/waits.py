"""How long a command waits before its request to Twilio is repeated."""

from agents.twilio_adapter.attempt import Effort
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.errors import ErrorVerdict
from schemas.records import StartDuplicateStream, StreamCommand
from schemas.states import Direction

MOST_REFUSALS = 2
"""A command is answered `failed` after this many refusals that are not refusals of the account."""
MOST_RETRY_AFTER_S = 10.0
"""The longest Retry-After of Twilio that is respected."""


def wait_after(
    gate: RequestGate, error: TwilioError, verdict: ErrorVerdict, effort: Effort
) -> float | None:
    """Return the seconds to wait before the request is repeated; None: repeating it is of no use.
    During an outage or a refusal of the whole account, the gate makes requests wait."""
    if verdict is ErrorVerdict.REFUSED:
        if gate.is_refused:
            return 0.0  # the account is refused: the request waits at the gate
        effort.refusals += 1
        return effort.asking.delay() if effort.refusals < MOST_REFUSALS else None
    if verdict is ErrorVerdict.BACK_OFF:
        wait = effort.resting.delay() if gate.is_free else 0.0
        return max(wait, min(error.retry_after, MOST_RETRY_AFTER_S))
    if verdict in (ErrorVerdict.ASK_AGAIN, ErrorVerdict.LOOK_UP_AGAIN):
        return pause_for(effort, is_gone=_is_gone(effort.command))
    return None


def _is_gone(command: StreamCommand) -> bool:
    """Return whether a leg that Twilio does not find in progress has most likely ended.

    The customer's leg of an inbound call is in progress before an agent accepts. That of an
    outbound call may still be ringing.
    """
    if not isinstance(command, StartDuplicateStream) or command.call_sid is None:
        return False
    return command.direction == Direction.INBOUND


def pause_for(effort: Effort, *, is_gone: bool) -> float:
    """Return the seconds until the next lookup of a leg that is not there, or not yet."""
    return effort.absent.delay() if is_gone else effort.asking.delay()
