"""Transferred and supervised calls: whether they are recorded when agents change."""

from simulator.building import CallBuilder
from simulator.openings import conversation_begins
from simulator.part import Part
from simulator.people import ANN, BEN, SUE, SUPPORT, UGO, UMA, Agent


def cold_to_monitored(call: CallBuilder) -> None:
    """Cold transfer to a monitored agent: one recording"""
    ann = conversation_begins(call, on_it=(ANN, BEN))
    call.wait(4500)
    ben = call.transfer(ann, BEN, "COLD")
    call.wait(500)
    call.leave(ann)
    call.wait(1200)
    call.accept(ben)
    call.wait(4500)
    call.hang_up()


def cold_to_unmonitored(call: CallBuilder) -> None:
    """Cold transfer to an unmonitored agent"""
    ann = conversation_begins(call)
    call.wait(4500)
    ugo = call.transfer(ann, UGO, "COLD")
    call.wait(500)
    call.stops_recording()
    call.leave(ann)
    call.wait(1000)
    call.accept(ugo)
    call.wait(5000)
    call.hang_up()


def warm_to_monitored(call: CallBuilder) -> None:
    """Warm transfer to a monitored agent: one recording"""
    ann = conversation_begins(call, on_it=(ANN, BEN))
    _consultation(call, ann, BEN)
    call.leave(ann)
    call.wait(3500)
    call.hang_up()


def warm_to_unmonitored(call: CallBuilder) -> None:
    """Warm transfer to an unmonitored agent"""
    ann = conversation_begins(call)
    _consultation(call, ann, UGO)
    call.stops_recording()
    call.leave(ann)
    call.wait(5000)
    call.hang_up()


def unmonitored_to_monitored(call: CallBuilder) -> None:
    """Cold transfer from an unmonitored to a monitored agent, through a queue"""
    call.inbound(SUPPORT)
    call.wait(300)
    uma = call.offer(UMA)
    call.wait(900)
    call.accept(uma)
    call.wait(2500)
    ben = call.transfer(uma, BEN, "COLD", queue="Second line")
    call.wait(500)
    call.leave(uma)
    call.wait(900)
    call.accept(ben)
    call.records(BEN)
    call.wait(6000)
    call.hang_up()


def warm_outside(call: CallBuilder) -> None:
    """Warm transfer to an outside party"""
    ann = conversation_begins(call)
    call.wait(2500)
    call.hold(on=True)
    call.call_outside()
    call.wait(1500)
    call.hold(on=False)
    call.wait(1500)
    call.stops_recording()
    call.leave(ann)
    call.wait(5000)
    call.hang_up()


def cold_outside(call: CallBuilder) -> None:
    """Cold transfer to an outside party"""
    ann = conversation_begins(call)
    call.wait(4500)
    call.call_outside()
    call.wait(200)
    call.stops_recording()
    call.leave(ann)
    call.wait(5000)
    call.hang_up()


def supervised(call: CallBuilder) -> None:
    """A supervisor listens in, and stays after a cold transfer"""
    ann = conversation_begins(call)
    call.wait(3000)
    call.listen_in(SUE)
    call.wait(2500)
    ugo = call.transfer(ann, UGO, "COLD")
    call.wait(500)
    call.stops_recording()
    call.leave(ann)
    call.wait(800)
    call.accept(ugo)
    call.wait(4500)
    call.hang_up()


def supervised_unmonitored(call: CallBuilder) -> None:
    """A monitored supervisor listens in on an unmonitored agent"""
    call.inbound(SUPPORT)
    call.wait(300)
    uma = call.offer(UMA)
    call.wait(700)
    call.accept(uma)
    call.wait(1000)
    call.listen_in(SUE)
    call.wait(4500)
    call.hang_up()


def _consultation(call: CallBuilder, first: Part, other: Agent) -> None:
    call.wait(2500)
    call.hold(on=True)
    second = call.transfer(first, other, "WARM")
    call.wait(1000)
    call.accept(second)
    call.wait(1800)
    call.hold(on=False)
    call.wait(1500)
