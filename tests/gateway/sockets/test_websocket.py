"""A WebSocket's bytes, sent by websockets' own client protocol, cut as the network likes."""

import http
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import CLOSE, PONG, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from gateway.sockets.websocket import MAX_MESSAGE_BYTES, PHASE_TRANSITIONS, Phase, WebSocket
from pipeline.transitions import may_follow
from tests.examples import examples


def opened() -> tuple[WebSocket, ClientProtocol]:
    """Both sides, hands shaken."""
    client = ClientProtocol(parse_uri("ws://localhost/media/ticket"))
    client.send_request(client.connect())
    websocket = WebSocket()
    assert [] == websocket.receive(b"".join(client.data_to_send()))
    assert websocket.request is not None
    assert "/media/ticket" == websocket.request.path
    assert [] == websocket.answer(None)
    client.receive_data(b"".join(websocket.to_send()))
    [response] = client.events_received()
    assert isinstance(response, Response)
    assert (101, Phase.OPEN, OPEN) == (response.status_code, websocket.phase, client.state)
    return websocket, client


def cut(data: bytes, places: list[float]) -> list[bytes]:
    """The data in pieces."""
    at = sorted({round(place * len(data)) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(at)]


REQUEST = (
    b"GET /media HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PIECES = st.sampled_from([REQUEST, b"GET / HTTP/1.1\r\n\r\n", b"\x89\x80abcd", b"\x88\x80abcd"])


@given(st.lists(PIECES | st.binary(max_size=20), max_size=6), st.booleans())
def test_each_transition_is_in_the_table(pieces: list[bytes], is_refused: bool) -> None:
    """For any bytes, and both if the request is accepted and if it is refused."""
    websocket = WebSocket()
    passed = [None, websocket.phase]
    for piece in pieces:
        websocket.receive(piece)
        passed.append(websocket.phase)
        if websocket.request is not None and websocket.phase is Phase.HANDSHAKE:
            refusal = (http.HTTPStatus.NOT_FOUND, "") if is_refused else None
            websocket.answer(refusal)
            passed.append(websocket.phase)
    assert all(may_follow(PHASE_TRANSITIONS, a, b) for a, b in pairwise(passed) if b is not None)


def test_each_row_of_the_table_happens() -> None:
    """It has none that a WebSocket never makes."""
    refused, (websocket, client) = WebSocket(), opened()
    made = {(None, refused.phase), (refused.phase, websocket.phase)}
    refused.receive(b"\x00\r\n\r\n")
    made.add((Phase.HANDSHAKE, refused.phase))
    client.send_close(1000)
    websocket.receive(b"".join(client.data_to_send()))
    made.add((Phase.OPEN, websocket.phase))
    assert {(t.before, t.after) for t in PHASE_TRANSITIONS} == made


texts = st.text(max_size=40) | st.integers(0, 70_000).map(lambda n: "x" * min(n, 65_536))
steps = st.one_of(
    st.tuples(st.just("whole"), texts),
    st.tuples(st.just("parts"), st.lists(st.text(max_size=200), min_size=2, max_size=4)),
    st.tuples(st.just("ping"), st.binary(max_size=125)),
)


@settings(max_examples=examples(80), deadline=None)
@given(st.lists(steps, max_size=8), st.lists(st.floats(0, 1), max_size=12))
def test_messages_come_out_as_they_were(given_steps, places):
    """Whole or in fragments, with pings between, wherever the bytes are cut; pings are answered."""
    websocket, client = opened()
    expected: list[bytes] = []
    for kind, value in given_steps:
        if kind == "whole":
            client.send_text(value.encode())
            expected.append(value.encode())
        elif kind == "ping":
            client.send_ping(value)
        else:
            first, *middle, last = (part.encode() for part in value)
            client.send_text(first, fin=False)
            for part in middle:
                client.send_continuation(part, fin=False)
            client.send_ping(b"between")
            client.send_continuation(last, fin=True)
            expected.append(b"".join((first, *middle, last)))
    pings = [value for kind, value in given_steps if kind == "ping"]
    actual: list[bytes] = []
    for piece in cut(b"".join(client.data_to_send()), places):
        actual += websocket.receive(piece)
    assert expected == actual
    client.receive_data(b"".join(websocket.to_send()) or b"")
    pongs = [f.data for f in client.events_received() if isinstance(f, Frame) and f.opcode is PONG]
    assert pings == [data for data in pongs if data != b"between"]
    assert Phase.OPEN is websocket.phase


@pytest.mark.parametrize("answer", ["pong", "unsolicited pong", "ping", "text", "close"])
def test_control_frames_are_signs_of_life(answer):
    """The answer to our ping, and any other ping or pong; not a close."""
    websocket, client = opened()
    websocket.ping()
    [data] = websocket.to_send()
    client.receive_data(data)
    [ping] = client.events_received()
    assert isinstance(ping, Frame)
    assert ping.opcode is Opcode.PING
    answers = client.data_to_send()  # the client's protocol answers by itself
    if answer != "pong":
        answers = []
        send = {
            "unsolicited pong": lambda: client.send_pong(b"x"),
            "ping": lambda: client.send_ping(b"x"),
            "text": lambda: client.send_text(b"x"),
            "close": lambda: client.send_close(1000, ""),
        }
        send[answer]()
        answers = client.data_to_send()
    assert not websocket.was_control
    websocket.receive(b"".join(answers))
    assert (answer not in ("text", "close")) == websocket.was_control


def test_no_ping_follows_a_close():
    """Nothing may."""
    websocket, _ = opened()
    websocket.close(1000, "")
    websocket.to_send()
    websocket.ping()
    assert [] == websocket.to_send()


def closing_code(websocket: WebSocket, client: ClientProtocol) -> int | None:
    """With which the other side was closed."""
    for data in websocket.to_send():
        if data:
            client.receive_data(data)
    [frame] = [f for f in client.events_received() if isinstance(f, Frame) and f.opcode is CLOSE]
    assert client.close_rcvd is not None
    assert frame.opcode is CLOSE
    return client.close_rcvd.code


@pytest.mark.parametrize("sizes", [[65_537], [1_000_000], [40_000, 40_000]])
@pytest.mark.parametrize("piece", [10, 100_000])
def test_a_message_over_64_kb_is_1009(sizes, piece):
    """The size is known from the header, in one frame or several; earlier whole messages count."""
    websocket, client = opened()
    client.send_text(b"before")
    client.send_text(bytes(sizes[0]), fin=len(sizes) == 1)
    for n, size in enumerate(sizes[1:], 2):
        client.send_continuation(bytes(size), fin=n == len(sizes))
    data = b"".join(client.data_to_send())
    actual: list[bytes] = []
    for start in range(0, min(len(data), 100_000), piece):
        actual += websocket.receive(data[start : start + piece])
    assert [b"before"] == actual
    assert Phase.ENDED is websocket.phase
    assert 1009 == closing_code(websocket, client)
    assert [] == websocket.receive(b"\x81\x81\0\0\0\0x")


def test_64_kb_are_taken():
    """To the byte."""
    websocket, client = opened()
    client.send_text(bytes(MAX_MESSAGE_BYTES))
    assert [MAX_MESSAGE_BYTES] == [
        len(text) for text in websocket.receive(b"".join(client.data_to_send()))
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x02hi",  # not masked
        b"\xc1\x82\0\0\0\0hi",  # a reserved bit: compressed, say
        b"\x83\x82\0\0\0\0hi",  # no such opcode
        b"\x80\x82\0\0\0\0hi",  # continues a message that never began
        b"\x01\x82\0\0\0\0hi\x81\x82\0\0\0\0hi",  # begins anew amid a message
        b"\x09\x80\0\0\0\0",  # a ping in fragments
    ],
)
def test_what_breaks_the_protocol_is_1002(data):
    """And ends the socket."""
    websocket, client = opened()
    websocket.receive(data)
    assert Phase.ENDED is websocket.phase
    assert 1002 == closing_code(websocket, client)


def test_a_binary_message_is_reported():
    """The layer above decides about binary messages."""
    websocket, client = opened()
    client.send_text(b"before")
    client.send_binary(b"\0")
    client.send_text(b"after")
    assert [b"before"] == websocket.receive(b"".join(client.data_to_send()))
    assert websocket.was_binary


def test_a_close_is_echoed_and_ours_is_said_once():
    """A close of the other side is echoed; our own close is sent once."""
    websocket, client = opened()
    client.send_close(1000, "bye")
    websocket.receive(b"".join(client.data_to_send()))
    assert Phase.ENDED is websocket.phase
    assert 1000 == closing_code(websocket, client)
    websocket, client = opened()
    websocket.close(1001, "going away")
    websocket.close(1000, "again")
    assert 1001 == closing_code(websocket, client)
    websocket.receive(b"".join(client.data_to_send()))
    assert Phase.ENDED is websocket.phase


@settings(deadline=None)
@given(st.binary(max_size=200), st.lists(st.floats(0, 1), max_size=4))
def test_any_bytes_are_survived(data, places):
    """Before the handshake and after it."""
    for websocket in (WebSocket(), opened()[0]):
        for piece in cut(data, places):
            websocket.receive(piece)
        websocket.to_send()


def test_a_request_has_to_fit():
    """Before it is understood."""
    websocket = WebSocket()
    for _ in range(20):
        websocket.receive(b"GET / HTTP/1.1\r\nX: " + b"y" * 1_000 + b"\r\n")
    assert Phase.ENDED is websocket.phase
    assert b" 431 " in websocket.to_send()[0]


@pytest.mark.parametrize("request_", [b"\r\n\r\n", b"rubbish\r\n\r\n", b"GET /\r\n\r\n"])
def test_what_is_no_request_is_ended(request_):
    """Without a word."""
    websocket = WebSocket()
    websocket.receive(request_)
    assert (Phase.ENDED, [b""]) == (websocket.phase, websocket.to_send())


@pytest.mark.parametrize("missing", ["Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_a_request_for_something_else_is_refused(missing):
    """Though it is HTTP."""
    client = ClientProtocol(parse_uri("ws://localhost/media"))
    request = client.connect()
    del request.headers[missing]
    websocket = WebSocket()
    websocket.receive(request.serialize())
    websocket.answer(None)
    assert Phase.ENDED is websocket.phase
    assert b" 4" in websocket.to_send()[0][:14]
