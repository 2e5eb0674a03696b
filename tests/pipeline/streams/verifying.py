"""Calls with a leg that must be verified, for tests."""

from pipeline.streams.manager import Next, on_record
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    FindConference,
    VerifyLeg,
)
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, listed, reservation
from tests.pipeline.streams.world import HISTORY

T = 1_000_000
ACTIVE = reservation(ANN, created=T, accepted=T)
FOUND = "CA" + "f" * 32


def started(version: Call | None = None, leg: str = CUSTOMER_LEG) -> Next:
    """A call with a start that Twilio has answered, on that leg."""
    first = on_record(TASK, None, version or call(ACTIVE), HISTORY, T)
    return on_record(TASK, first.state, answer("start", 1, 1, "done", leg), HISTORY, T + 100)


def found_there() -> Next:
    """A call without a named leg: the adapter found one in the task's conference."""
    unnamed = call(ACTIVE, direction="outbound", customer_call_sid=None)
    first = on_record(TASK, None, unnamed, HISTORY, T)
    [find] = [record for record in first.outputs if isinstance(record, FindConference)]
    state = on_record(TASK, first.state, listed(find, T + 50), HISTORY, T + 50).state
    return on_record(TASK, state, answer("start", 1, 1, "done", FOUND), HISTORY, T + 100)


def answer(what: str, generation: int, attempt: int, outcome: str, leg: str) -> CommandAnswered:
    """The adapter's answer to a start, or to a question about a leg."""
    name = f"{TASK}:{generation}" if what == "start" else f"{TASK}:{leg}"
    sid = f"MZ{generation}" if what == "start" else None
    return CommandAnswered(
        f"{what}:{name}:{attempt}", TASK, generation, what, outcome, leg, sid, None, None, "", 1, T
    )


def verified(state: CallStreams | None, outcome: str, now: int, attempt: int = 1) -> Next:
    """The state after the answer to the question about the customer's leg."""
    reply = answer("verify", 1, attempt, outcome, CUSTOMER_LEG)
    return on_record(TASK, state, reply, HISTORY, now)


def questions(step: Next) -> list[VerifyLeg]:
    """What the step asks."""
    return [record for record in step.outputs if isinstance(record, VerifyLeg)]
