"""Dialogues with one socket's protocol."""

from dataclasses import replace

import pytest

from gateway.media.protocol import CloseSocket, MediaSocket
from gateway.media.socket_state import SocketState
from pipeline.twilio.tickets import Ticket
from schemas.records import MediaBatch, MediaStreamOpened, Run
from tests.gateway.dialogue import ACCOUNT, CALL, STREAM, TASK, connected, media, start, stop
from tests.gateway.media.sockets import T0, closed, fresh, running


def test_a_whole_stream():
    """A media stream opens at start, its frames form a batch, and it closes at stop with the
    counts."""
    protocol = fresh()
    assert [] == list(protocol.receive([connected()], T0))
    assert [MediaStreamOpened(STREAM, CALL, TASK, "fc-1", 2, "gateway-0", 7, T0)] == list(
        protocol.receive([start()], T0)
    )
    assert SocketState.RUNNING is protocol.state
    for number in range(3):
        frame = media("inbound", str(119 + 20 * number), bytes([number]) * 160, str(4 + number))
        assert [] == list(protocol.receive([frame], T0 + 20 * number))
    batch, end, close = protocol.receive([stop()], T0 + 60)
    assert [(1, 4, 6, T0 + 40)] == [
        (batch.number, batch.first_sequence, batch.last_sequence, batch.at)
    ]
    assert (Run(119, 3, 20, 160),) == batch.tracks[0].runs
    assert closed("stop", at=T0 + 60, batches=1, frames=3) == end
    assert CloseSocket(1000, "stop") == close
    assert [] == list(protocol.receive([media("inbound", "179", b"\x00" * 160)], T0 + 61))
    assert [] == list(protocol.lost(T0 + 62, "dropped", ""))


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (["{"], "not JSON"),
        (["[]"], "not a JSON object"),
        ([media("inbound", "20", b"\x00")], "media before start"),
        ([connected(), media("inbound", "20", "!")], "media before start"),
        ([start(parameters={})], "start without taskSid parameter"),
        ([start(accountSid="AC" + "f" * 32)], "another account"),
        ([start(accountSid=None)], "another account"),
    ],
)
def test_what_is_no_stream_of_ours_is_closed_with_1008(messages, reason):
    """And leaves nothing on any topic."""
    protocol = fresh()
    outputs = [output for text in messages for output in protocol.receive([text], T0)]
    assert [CloseSocket(1008, reason)] == outputs
    assert SocketState.DONE is protocol.state
    assert [] == list(protocol.lost(T0, "dropped", ""))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        (start(stream="MZ" + "4" * 32), "second start"),
        (media("inbound", "40", b"\x00", stream="MZ" + "4" * 32), "media of another stream"),
    ],
)
def test_a_violation_while_running_ends_the_stream_with_its_audio(text, reason):
    """The earlier audio is published, then the end with its reason; then the socket is closed."""
    protocol = running()
    protocol.receive([media("inbound", "20", b"\x00")], T0)
    batch, end, close = protocol.receive([text], T0)
    assert isinstance(batch, MediaBatch)
    assert closed("protocol-error", reason, batches=1, frames=1) == end
    assert CloseSocket(1008, reason) == close


def test_what_is_odd_but_harmless_is_tolerated():
    """A repeated start, unknown events, and frames without a stream SID or sequence number."""
    protocol = fresh()
    assert 1 == len(protocol.receive([start()], T0))
    assert [] == list(protocol.receive([start()], T0))
    assert [] == list(protocol.receive(['{"event": "mark"}'], T0))
    assert [] == list(
        protocol.receive([media("inbound", 20, b"\x00", sequence=None, stream=None)], T0)
    )
    batch, _ = protocol.lost(T0, "dropped", "")
    assert (None, None) == (batch.first_sequence, batch.last_sequence)


@pytest.mark.parametrize("together", [True, False])
def test_nothing_comes_out_after_the_close(together):
    """No batch, and no second close, for anything after the stop in the same read or later."""
    protocol = running()
    later = [media("inbound", str(100 + 20 * n), bytes(160)) for n in range(30)]
    texts = [stop(), *later, "{"]
    reads = [texts] if together else [[text] for text in texts]
    outputs = [output for read in reads for output in protocol.receive(read, T0)]
    outputs += [*protocol.tick(T0 + 20_000), *protocol.lost(T0 + 20_000, "dropped", "")]
    assert [closed("stop", unbroken=True), CloseSocket(1000, "stop")] == outputs


def test_any_account_is_taken_where_none_is_configured():
    """The signature is proof enough."""
    for account in ("AC" + "f" * 32, None):
        assert 1 == len(fresh(None).receive([start(accountSid=account)], T0))


TICKET = Ticket(ACCOUNT, CALL, TASK, 2, T0 // 1000 + 60, "00")


@pytest.mark.parametrize(
    ("ticket", "reason"),
    [
        (replace(TICKET, account_sid="AC" + "f" * 32), "another account"),
        (replace(TICKET, call_sid="CA" + "f" * 32), "another call"),
        (replace(TICKET, task_sid="WT" + "f" * 32), "another task"),
        (replace(TICKET, generation=3), "another task"),
    ],
)
def test_a_start_must_be_what_the_ticket_was_made_for(ticket, reason):
    """Account, leg, task and generation."""
    protocol = MediaSocket("gateway-0", 7, None, T0, ticket=ticket)
    assert [CloseSocket(1008, reason)] == list(protocol.receive([start()], T0))
    protocol = MediaSocket("gateway-0", 7, None, T0, ticket=TICKET)
    assert [MediaStreamOpened] == [type(output) for output in protocol.receive([start()], T0)]


def test_a_stream_that_is_not_to_be_recorded_ends_with_the_decisions_reason():
    """Its audio so far goes out, and the socket is closed regularly; nothing comes after it."""
    protocol = running()
    protocol.receive([media("inbound", "20", bytes(160))], T0)
    batch, end, close = protocol.not_to_be_recorded(T0 + 100, "no monitored agent is left")
    assert isinstance(batch, MediaBatch)
    reason = "not-to-be-recorded"
    assert end == closed(reason, "no monitored agent is left", at=T0 + 100, batches=1, frames=1)
    assert close == CloseSocket(1000, "not to be recorded")
    assert [] == list(protocol.receive([media("inbound", "40", bytes(160))], T0 + 120))
    assert [] == list(protocol.lost(T0 + 130, "dropped", ""))
