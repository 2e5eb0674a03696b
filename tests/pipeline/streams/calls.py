"""Versions of calls, made by hand, as the tracker would publish them."""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.calls.view import derived
from schemas.records import Call, CommandAnswered, Fact, FindConference, Reservation, Transfer

TASK = "WT" + "a" * 32
CUSTOMER_LEG = "CA" + "b" * 32
ANN, BOB, CAROL = "ann@example.com", "bob@example.com", "carol@example.com"


def facts(at: int = 0, /, **values: str) -> Mapping[str, Fact]:
    """Facts of these names and values."""
    return {name: Fact(text, 0, at, "e") for name, text in values.items()}


def reservation(
    extension: str, /, *, team: str = "", queue: str = "", **milestones: int
) -> Reservation:
    """A worker's reservation; `milestones` as in the record."""
    user = extension.partition("@")[0]
    known = {"extension": extension, "team": team, "queue": queue, "worker_sid": f"WK{user}"}
    return Reservation(f"WR{user}", facts(**{k: v for k, v in known.items() if v}), milestones)


def listed(question: FindConference, at: int, outcome: str = "listed") -> CommandAnswered:
    """Return the adapter's answer to a question whether there is a conference."""
    return CommandAnswered(
        question.command_id, question.task_sid, question.generation, "find", outcome, None, None,
        None, None, "", 1, at,
    )  # fmt: skip


def transfer(sid: str = "TT1", /, **milestones: int) -> Transfer:
    """A transfer of the task."""
    return Transfer(sid, {}, milestones)


def call(
    *reservations: Reservation,
    direction: str | None = "inbound",
    transfers: tuple[Transfer, ...] = (),
    revision: int = 1,
    task_sid: str = TASK,
    customer_call_sid: str | None = CUSTOMER_LEG,
    milestones: Mapping[str, int] | None = None,
    **more: str,
) -> Call:
    """A version of a call, its derived fields filled in; `more` are facts of the task."""
    known = {"direction": direction, "customer_call_sid": customer_call_sid, "channel": "voice"}
    stated = {k: v for k, v in {**known, **more}.items() if v is not None}
    times = [at for r in reservations for at in r.milestones.values()] or [0]
    bare = Call(
        task_sid=task_sid,
        revision=revision,
        cause_event_id="e",
        cause_type="test",
        cause_at=max(times),
        first_event_at=min(times),
        latest_event_at=max(times),
        latest_arrival_at=max(times),
        facts=facts(**stated),
        milestones=milestones or {},
        reservations=reservations,
        transfers=transfers,
        legs=(),
        direction=None,
        state="forming",
        connections=(),
    )
    return derived(bare)


def later(version: Call, /, **changes: object) -> Call:
    """The next version of a call."""
    changed = replace(version, revision=version.revision + 1, **changes)  # type: ignore[arg-type]
    return derived(changed)
