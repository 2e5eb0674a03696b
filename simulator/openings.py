"""The beginnings that several simulated calls share."""

from simulator.building import CallBuilder
from simulator.part import Part
from simulator.people import ANN, SUPPORT, Agent


def conversation_begins(call: CallBuilder, on_it: tuple[Agent, ...] = (ANN,)) -> Part:
    """A customer calls, and Ann answers. Expect a recording. Return Ann's part. `on_it`: the
    monitored agents on the recording."""
    call.inbound(SUPPORT)
    call.wait(400)
    ann = call.offer(ANN)
    call.wait(1000)
    call.accept(ann)
    call.records(*on_it)
    return ann


def dialled(call: CallBuilder) -> Part:
    """Ann dials a customer. Return Ann's part."""
    call.outbound(SUPPORT)
    call.wait(200)
    ann = call.offer(ANN)
    call.wait(300)
    call.accept(ann)
    return ann
