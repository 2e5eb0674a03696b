"""The calls of the simulated contact center: every case of the recording policy.

Each case describes the actions of people, and the recordings that they require. The plain cases are
here; unusual ones are in `unusual_legs`, `unusual_tasks` and `unstreamed`.
"""

from collections.abc import Callable, Sequence
from random import Random

from simulator import transfers, unusual_legs
from simulator.building import FOREIGN, CallBuilder
from simulator.events import Account
from simulator.openings import conversation_begins, dialled
from simulator.people import (
    ANN,
    BEN,
    CLAIMS,
    CLEO,
    LEGAL,
    SUPPORT,
    UMA,
    newcomer,
)
from simulator.script import Line, Script
from simulator.unlike import NONE, Unlike
from simulator.unstreamed import UNSTREAMED
from simulator.unusual import UnusualCall
from simulator.unusual_legs import LEGS
from simulator.unusual_tasks import TASKS

PlainCase = Callable[[CallBuilder], None]
Case = Callable[[UnusualCall], None]

LIST_CHANGE_SLACK_MS = 12_000
"""On an idle machine a change of the list takes 1.5 s: the file must not change for a second."""


def inbound_monitored(call: CallBuilder) -> None:
    """Inbound, monitored agent"""
    conversation_begins(call)
    call.wait(7000)
    call.hang_up()


def inbound_lossy(call: CallBuilder) -> None:
    """Inbound, monitored by team, frames lost on the way"""
    call.line = Line(lost=range(100, 105))
    call.inbound(SUPPORT)
    call.wait(400)
    cleo = call.offer(CLEO)
    call.wait(900)
    call.accept(cleo)
    call.records(CLEO)
    call.wait(7500)
    call.hang_up()


def inbound_no_callbacks(call: CallBuilder) -> None:
    """Inbound, monitored by queue, no conference callbacks"""
    call.without_callbacks()
    call.inbound(CLAIMS)
    call.wait(300)
    uma = call.offer(UMA)
    call.wait(800)
    call.accept(uma)
    call.records(UMA)
    call.wait(6000)
    call.hang_up()


def inbound_unmonitored(call: CallBuilder) -> None:
    """Inbound, unmonitored agent"""
    call.inbound(SUPPORT)
    call.wait(300)
    uma = call.offer(UMA)
    call.wait(900)
    call.accept(uma)
    call.wait(6000)
    call.hang_up()


def excluded_queue(call: CallBuilder) -> None:
    """Inbound, monitored agent, queue never recorded"""
    call.inbound(LEGAL)
    call.wait(300)
    ann = call.offer(ANN)
    ann.monitored = None
    call.wait(900)
    call.accept(ann)
    call.wait(5000)
    call.hang_up()


def hold(call: CallBuilder) -> None:
    """Hold and unhold, twice"""
    conversation_begins(call)
    call.wait(3000)
    for _ in range(2):
        call.hold(on=True)
        call.wait(1800)
        call.hold(on=False)
        call.wait(1500)
    call.hang_up()


def internal(call: CallBuilder) -> None:
    """Agent to agent, both monitored"""
    call.internal(ANN, BEN)
    call.wait(300)
    ann = call.offer(ANN)
    call.wait(300)
    call.accept(ann)
    call.wait(200)
    ben = call.offer(BEN)
    call.wait(800)
    call.accept(ben)
    call.wait(5000)
    call.hang_up()


def outbound_answered(call: CallBuilder) -> None:
    """Outbound, leg there once answered"""
    dialled(call)
    call.wait(500)
    call.rings(listed=False)
    call.wait(2500)
    call.answered()
    call.records(ANN)
    call.wait(6500)
    call.hang_up()


def outbound_ringing(call: CallBuilder) -> None:
    """Outbound, ringing leg listed, no conference callbacks"""
    call.without_callbacks()
    dialled(call)
    call.wait(500)
    call.rings(listed=True)
    call.wait(3000)
    call.answered()
    call.records(ANN)
    call.wait(6500)
    call.hang_up()


def outbound_unmonitored(call: CallBuilder) -> None:
    """Outbound, unmonitored agent"""
    call.outbound(SUPPORT)
    call.wait(200)
    uma = call.offer(UMA)
    call.wait(300)
    call.accept(uma)
    call.wait(300)
    call.rings(listed=True)
    call.wait(1200)
    call.answered()
    call.wait(5000)
    call.hang_up()


def outbound_unanswered(call: CallBuilder) -> None:
    """Outbound, nobody answers"""
    dialled(call)
    call.wait(400)
    call.rings(listed=True)
    call.wait(5000)
    call.unanswered()


def abandoned(call: CallBuilder) -> None:
    """Inbound, gives up in the queue"""
    call.inbound(SUPPORT)
    call.wait(4000)
    call.chatter()
    call.give_up()


def abandoned_alerting(call: CallBuilder) -> None:
    """Inbound, gives up while an agent is alerted"""
    call.inbound(SUPPORT)
    call.wait(500)
    call.offer(ANN)
    call.wait(3000)
    call.give_up()


def rejected(call: CallBuilder) -> None:
    """Rejected by one agent, accepted by another"""
    call.inbound(SUPPORT)
    call.wait(300)
    ben = call.offer(BEN)
    call.wait(1200)
    call.reject(ben)
    call.wait(400)
    ann = call.offer(ANN)
    call.wait(800)
    call.accept(ann)
    call.records(ANN)
    call.wait(6500)
    call.hang_up()


def listed_meanwhile(call: CallBuilder) -> None:
    """The agent is put on the list during the call"""
    nia = newcomer(call.number)
    call.inbound(SUPPORT)
    call.wait(300)
    part = call.offer(nia)
    call.wait(700)
    call.accept(part)
    call.wait(2000)
    call.list_agent(nia)
    call.records(nia, slack=LIST_CHANGE_SLACK_MS)
    call.wait(15000)
    call.hang_up()


def hostile_agent(call: CallBuilder) -> None:
    """Inbound, the agent rewrites the task's attributes and their own"""
    part = conversation_begins(call)
    call.wait(1500)
    call.rewrites(part, {"internal": True, "client_call": "true"}, {"email": "nobody@example.com"})
    call.wait(1200)
    call.rewrites(
        part,
        {"direction": "outbound", "to": "client:x", "call_sid": FOREIGN},
        {"contact_uri": "client:nobody", "team_name": ""},
    )
    call.wait(1200)
    people = {"customer": FOREIGN, "worker": FOREIGN}
    call.rewrites(part, {"conference": {"participants": people}, "from": "+15550000000"}, {})
    call.wait(3000)
    call.hang_up()


PLAIN: tuple[PlainCase, ...] = (
    listed_meanwhile,
    transfers.warm_to_monitored,
    transfers.cold_to_monitored,
    transfers.supervised,
    transfers.warm_to_unmonitored,
    transfers.cold_to_unmonitored,
    outbound_answered,
    outbound_ringing,
    transfers.warm_outside,
    transfers.unmonitored_to_monitored,
    transfers.cold_outside,
    hold,
    rejected,
    inbound_lossy,
    outbound_unanswered,
    hostile_agent,
    inbound_monitored,
    inbound_no_callbacks,
    outbound_unmonitored,
    internal,
    transfers.supervised_unmonitored,
    excluded_queue,
    inbound_unmonitored,
    abandoned,
    abandoned_alerting,
)
"""The longest first, so that all of them end at about the same time if they are started one after
another."""
CASES: tuple[Case, ...] = (*PLAIN[:2], *LEGS, *UNSTREAMED, *TASKS, *PLAIN[2:])

NEED_CALLBACKS: tuple[Case, ...] = (
    unusual_legs.page_reload,
    unusual_legs.stranger_instead_of_agent,
    outbound_unmonitored,
)
"""Cases that need conference callbacks. Only callbacks show that the agent's leg left, which leg
joined, or that a task has a call at all, if its attributes name no leg and no lookup is made."""


def playable(cases: Sequence[Case], unlike: frozenset[Unlike]) -> tuple[Case, ...]:
    """Return the cases that show the assumptions `unlike` and can be recorded without them."""
    left_out: tuple[Case, ...] = UNSTREAMED if unlike else ()
    left_out += NEED_CALLBACKS if Unlike.CONFERENCE_CALLBACKS in unlike else ()
    return tuple(case for case in cases if case not in left_out)


def scripts(
    cases: Sequence[Case],
    begins_at: int,
    spacing: int,
    account: Account,
    seed: int,
    *,
    unlike: frozenset[Unlike] = NONE,
) -> tuple[Script, ...]:
    """Return one call of each of `cases`, `spacing` ms apart. The same seed gives the same calls.
    `unlike`: the assumptions about Twilio that do not hold."""
    random = Random(seed)  # noqa: S311
    made = []
    for number, case in enumerate(cases):
        call = UnusualCall(begins_at + number * spacing, account, random, number, unlike)
        case(call)
        made.append(call.script(case.__name__, (case.__doc__ or "").strip()))
    return tuple(made)
