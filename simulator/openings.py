"""How the simulated calls begin."""

from simulator.building import CallBuilder
from simulator.people import ANN, SUPPORT, Agent
from simulator.stage import Part


def conversation_begins(call: CallBuilder, on_it: tuple[Agent, ...] = (ANN,)) -> Part:
    """A customer calls, Ann answers, and is recorded with whoever else will be `on_it`."""
    call.inbound(SUPPORT)
    call.wait(400)
    ann = call.offer(ANN)
    call.wait(1000)
    call.accept(ann)
    call.records(*on_it)
    return ann


def dialled(call: CallBuilder) -> Part:
    """Ann dials a customer; returns her part."""
    call.outbound(SUPPORT)
    call.wait(200)
    ann = call.offer(ANN)
    call.wait(300)
    call.accept(ann)
    return ann
