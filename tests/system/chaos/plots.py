"""Random calls: their customers, agents and durations, and the customer's fate."""

from random import Random

from simulator.building import CallBuilder
from simulator.cases import PLAIN
from simulator.events import Account
from simulator.part import Part
from simulator.people import ANN, BEN, CLAIMS, CLEO, LEGAL, SUE, SUPPORT, UGO, UMA
from simulator.script import Script

AGENTS = (ANN, BEN, CLEO, UMA, UGO)
QUEUES = (SUPPORT, SUPPORT, SUPPORT, CLAIMS, LEGAL)
CASES_SHARE = 0.3
TALK_MS = (1_500, 12_000)


def scripts(
    calls: int, begins_at: int, within_ms: int, account: Account, seed: int
) -> list[Script]:
    """`calls` calls that begin within `within_ms`; the same seed gives the same ones."""
    random = Random(seed)
    made = []
    for number in range(calls):
        at = begins_at + (number * within_ms) // max(calls, 1)
        call = CallBuilder(at, account, random, number)
        if random.random() < CASES_SHARE:
            case = random.choice(PLAIN)
            case(call)
            made.append(call.script(case.__name__, (case.__doc__ or "").strip()))
            continue
        plot, weight = zip(*PLOTS.items(), strict=True)
        chosen = random.choices(plot, weight)[0]
        if random.random() < 0.2:
            call.without_callbacks()
        chosen(call, random)
        made.append(call.script(chosen.__name__, (chosen.__doc__ or "").strip()))
    return made


def inbound(call: CallBuilder, random: Random) -> None:
    """Inbound, handed on by chance"""
    call.inbound(random.choice(QUEUES))
    call.wait(random.randint(200, 900))
    if random.random() < 0.2:
        first = call.offer(random.choice(AGENTS))
        call.wait(random.randint(300, 1500))
        call.reject(first)
        call.wait(random.randint(100, 500))
    part = call.offer(random.choice(AGENTS))
    call.wait(random.randint(300, 2000))
    call.accept(part)
    _conversation(call, part, random)


def outbound(call: CallBuilder, random: Random) -> None:
    """Outbound, handed on by chance"""
    call.outbound(SUPPORT)
    call.wait(200)
    part = call.offer(random.choice(AGENTS))
    call.wait(300)
    call.accept(part)
    call.wait(random.randint(200, 800))
    call.rings(listed=random.random() < 0.5)
    call.wait(random.randint(1000, 5000))
    if random.random() < 0.2:
        call.unanswered()
        return
    call.answered()
    _conversation(call, part, random)


def internal(call: CallBuilder, random: Random) -> None:
    """Between agents"""
    caller, called = random.sample(AGENTS, 2)
    call.internal(caller, called)
    call.wait(300)
    first = call.offer(caller)
    call.wait(300)
    call.accept(first)
    call.wait(200)
    second = call.offer(called)
    call.wait(random.randint(400, 1500))
    call.accept(second)
    call.wait(random.randint(*TALK_MS))
    call.hang_up()


def abandoned(call: CallBuilder, random: Random) -> None:
    """The customer gives up before an agent answers"""
    call.inbound(random.choice(QUEUES))
    call.wait(random.randint(500, 4000))
    if random.random() < 0.5:
        call.offer(random.choice(AGENTS))
        call.wait(random.randint(500, 3000))
    call.give_up()


PLOTS = {inbound: 6, outbound: 2, internal: 1, abandoned: 1}


def _conversation(call: CallBuilder, part: Part, random: Random) -> None:
    _talk(call, random)
    if random.random() < 0.15:
        call.listen_in(SUE)
        _talk(call, random)
    for _ in range(random.choice((0, 0, 1, 1, 1, 2, 3))):
        handed_on = random.choice((_cold, _cold, _warm, _warm, _outside))(call, part, random)
        if handed_on is None:
            break
        part = handed_on
    call.hang_up()


def _talk(call: CallBuilder, random: Random) -> None:
    call.wait(random.randint(*TALK_MS))
    if random.random() < 0.3:
        call.hold(on=True)
        call.wait(random.randint(500, 4000))
        call.hold(on=False)
        call.wait(random.randint(500, 4000))


def _cold(call: CallBuilder, part: Part, random: Random) -> Part:
    queue = "Second line" if random.random() < 0.3 else None
    following = call.transfer(part, random.choice(AGENTS), "COLD", queue)
    call.wait(500)
    call.leave(part)
    call.wait(random.randint(300, 2500))
    call.accept(following)
    _talk(call, random)
    return following


def _warm(call: CallBuilder, part: Part, random: Random) -> Part:
    call.hold(on=True)
    following = call.transfer(part, random.choice(AGENTS), "WARM")
    call.wait(random.randint(500, 2000))
    call.accept(following)
    call.wait(random.randint(500, 3000))
    call.hold(on=False)
    call.wait(random.randint(500, 3000))
    call.leave(part)
    _talk(call, random)
    return following


def _outside(call: CallBuilder, part: Part, random: Random) -> None:
    call.call_outside()
    call.wait(random.randint(200, 3000))
    call.leave(part)
    call.wait(random.randint(4000, 12_000))
