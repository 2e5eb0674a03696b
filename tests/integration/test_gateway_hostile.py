"""Hostile clients against a gateway that is a process of its own: each is refused as the contract
says, none takes memory or time from the others. Beside all of them run calls at Twilio's pace, of
which every frame must be on `media` in the end.

`FLEXCAPTURE_TEST_CONNECTIONS=10000` is the long form.
"""

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from simulator.expected import TRACKS
from tests.integration.faust_roles import until
from tests.integration.hostile import (
    CONTINUED,
    PING,
    TEXT,
    answered,
    closed_after,
    connected,
    frame,
    handshake,
    media,
    opened,
    signed,
    start,
    started,
    stop,
)
from tests.integration.hostile_bytes import NO_HANDSHAKES, NO_MEDIA
from tests.integration.lone_gateway import LoneGateway, lone_gateway
from tests.integration.neighbours import Neighbours, ended, neighbours_of, received
from tests.integration.slow_peers import SLOW

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CONNECTIONS = int(os.environ.get("FLEXCAPTURE_TEST_CONNECTIONS", "1000"))
WAVE = 500
NEIGHBOURS = 3
MEMORY = 48 * 2**20
"""The gateway may hold at most this much more than before, under any attack."""

Slow = dict[str, "asyncio.Future[int | None]"]
FRAME = b64encode(bytes(160)).decode()
NOTHING_BUT = (1002, 1008)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    kafka: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LoneGateway]:
    """One gateway for all of it."""
    directory: Path = tmp_path_factory.mktemp("hostile")
    async with lone_gateway(kafka, f"hostile{os.getpid()}.", directory) as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def neighbours(gateway: LoneGateway) -> AsyncIterator[Neighbours]:
    """Media streams that continue during every test of this module."""
    async with neighbours_of(gateway, NEIGHBOURS) as neighbours:
        yield neighbours


@pytest.fixture(autouse=True)
def _nobody_is_disturbed(gateway: LoneGateway, neighbours: Neighbours):
    """After each test the neighbours continue, and the gateway holds no more resources than
    allowed."""
    yield
    assert [] == neighbours.disturbed()
    assert gateway.resident() < neighbours.resident + MEMORY


# Handshakes.


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "c29tZXRoaW5nIGVsc2U="},
        {"X-Twilio-Signature": "\xff\xfe"},
        signed("ws://127.0.0.1/another"),
        {"X-Forwarded-Host": "twilio.com", "X-Forwarded-Proto": "wss"},
    ],
    ids=["none", "empty", "wrong", "no ASCII", "of another URL", "forwarded"],
)
async def test_without_its_signature_a_url_is_refused(gateway, headers):
    """403, though the URL is right."""
    url = (await gateway.start_request()).url
    assert 403 == await answered(gateway, handshake(url, headers))


async def test_a_signature_given_twice_is_refused(gateway):
    """Whichever of the two is right."""
    url = (await gateway.start_request()).url
    [(name, right)] = signed(url).items()
    request = handshake(url, {name: f"{right}\r\n{name}: another"})
    assert 403 == await answered(gateway, request)


@pytest.mark.parametrize(
    "path",
    ["/", "/mediax", "/media/a/b", "/media/", "/media?a=b", "//media", "/media#a"],
)
async def test_another_path_is_refused_though_it_is_signed(gateway, path):
    """No start request named it. (A fragment does not belong to the path of a request.)"""
    url = gateway.url.removesuffix("/media") + path
    assert await answered(gateway, handshake(url, signed(url), path=path)) in (403, 400, None)


async def test_a_token_that_was_changed_is_refused(gateway):
    """Though the URL with it is signed. (A URL without a token has nothing to change.)"""
    url = (await gateway.start_request()).url
    if url != gateway.url:
        middle = "A" if url[-20] != "A" else "B"
        for wrong in (url[:-20] + middle + url[-19:], url[:-4], url + "A"):
            assert 403 == await answered(gateway, handshake(wrong, signed(wrong)))


@pytest.mark.parametrize("request_bytes", NO_HANDSHAKES.values(), ids=NO_HANDSHAKES)
async def test_what_is_no_handshake_is_refused(gateway, request_bytes):
    """With an error of the client's, or without a word."""
    status = await answered(gateway, request_bytes)
    assert status is None or 400 <= status < 500


# Sockets that were let in.


@pytest.mark.parametrize(("data", "codes"), NO_MEDIA.values(), ids=NO_MEDIA)
async def test_what_is_no_media_stream_ends_its_socket(gateway, data, codes):
    """With the code that says why, at once."""
    assert await closed_after(gateway, *data) in codes


async def test_a_deep_object_is_an_event_not_known_yet(gateway):
    """JSON readers take it, so the socket stays: the media stream follows."""
    peer, media_stream = await started(gateway)
    await peer.send(frame(TEXT, b'{"a":' * 10_000 + b"1" + b"}" * 10_000))
    await peer.message(stop(media_stream))
    assert 1000 == await peer.closed()


async def test_media_before_start_ends_the_socket(gateway):
    """1008."""
    media_stream = await gateway.start_request()
    peer = await opened(gateway, media_stream)
    await peer.message({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    await peer.message(media(media_stream, 20, FRAME))
    assert 1008 == await peer.closed()


async def test_a_message_in_the_smallest_pieces_is_a_message(gateway):
    """A frame of audio, each byte in a frame of its own, with pings between."""
    peer, media_stream = await started(gateway)
    text = json.dumps(media(media_stream, 20, FRAME)).encode()
    pieces = [frame(TEXT if at == 0 else CONTINUED, text[at : at + 1], fin=at == len(text) - 1)
              for at in range(len(text))]  # fmt: skip
    await peer.send(frame(PING).join(pieces))
    await peer.message(stop(media_stream))
    assert 1000 == await peer.closed()
    [closed] = await ended(gateway, media_stream)
    assert (1, 0) == (closed.frames, closed.invalid)


async def test_rubbish_for_audio_is_counted_and_the_socket_stays(gateway):
    """Invalid base64, payloads that are not text, invalid tracks and timestamps."""
    peer, media_stream = await started(gateway)
    rubbish = ["====", "A", "\u00e9\u00e9", "a b", "", "A" * 50_001]
    for number, payload in enumerate(rubbish):
        await peer.message(media(media_stream, 20 * number, payload))
    wrong = media(media_stream, 0, FRAME)
    for bad in ({"payload": 7}, {"timestamp": "-1"}, {"timestamp": "9" * 400}, {"track": "both"}):
        await peer.message(wrong | {"media": {**wrong["media"], **bad}})
    await peer.message(media(media_stream, 400, FRAME))
    await peer.message(stop(media_stream))
    assert 1000 == await peer.closed()
    [closed] = await ended(gateway, media_stream)
    assert closed.frames == 1
    assert closed.invalid >= len(rubbish)


async def test_a_handshake_that_is_repeated_takes_nothing_from_the_first(gateway, neighbours):
    """An observer replays a neighbour's handshake and adds frames of its own: it is refused, and
    its frames are not in the neighbour's audio."""
    victim = neighbours.streams[0]
    peer = await connected(gateway)
    await peer.send(handshake(victim.url, signed(victim.url)).encode())
    if await peer.status() == 101:
        await peer.message(start(victim))
        for number in range(5):
            await peer.message(media(victim, 10_000 + 20 * number, FRAME))
        assert await peer.closed() in NOTHING_BUT


async def test_a_url_is_good_for_its_own_call_only(gateway):
    """A handshake that was observed on one call does not open a socket for another. (A URL that all
    calls share cannot show this.)"""
    seen, other = await gateway.start_request(), await gateway.start_request()
    if seen.url != other.url:
        peer = await opened(gateway, seen)
        await peer.message(start(other))
        assert await peer.closed() in NOTHING_BUT


async def test_unread_answers_to_endless_pings_are_not_kept(gateway):
    """A peer that floods and never reads: the answers pile up nowhere."""
    peer, media_stream = await started(gateway)
    flood = frame(PING, b"x" * 125) * 500
    before = gateway.resident()
    with suppress(TimeoutError):  # or it reads no more, which is as good
        for _ in range(600):
            async with asyncio.timeout(2):
                await peer.send(flood)
    assert gateway.resident() < before + MEMORY / 2
    peer.cut()
    assert 1 == len(await ended(gateway, media_stream))


# Many.


async def test_thousands_of_connections_without_a_signature(gateway, neighbours):
    """Each connection is refused or closed, and its resources are released."""
    url = (await gateway.start_request()).url
    request, statuses = handshake(url), set()
    for _ in range(0, CONNECTIONS, WAVE):
        statuses |= set(await asyncio.gather(*(answered(gateway, request) for _ in range(WAVE))))
    assert statuses <= {403, None}


async def test_thousands_of_connections_that_say_nothing(gateway, neighbours):
    """They are held for a while, at little cost, and do not keep a call out."""
    for _ in range(0, CONNECTIONS, WAVE):
        peers = [await connected(gateway) for _ in range(WAVE)]
        for peer in peers[::2]:
            await peer.send(b"GET /media HTTP/1.1\r\nHost:")
        media_stream = await gateway.start_request()
        peer = await opened(gateway, media_stream)
        await peer.message(start(media_stream))
        await peer.message(media(media_stream, 20, FRAME))
        assert gateway.resident() < neighbours.resident + MEMORY
        await peer.message(stop(media_stream))
        assert 1000 == await peer.closed()
        for each in peers:
            each.cut()


# Slow ones: none is waited for longer than the gateway waits itself.


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def slow(gateway: LoneGateway, neighbours: Neighbours) -> AsyncIterator[Slow]:
    """All of them begin before the first test and run during the others."""
    tasks = {kind: asyncio.ensure_future(peer(gateway)) for kind, (peer, _) in SLOW.items()}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.wait(tasks.values())


@pytest.mark.parametrize("kind", SLOW)
async def test_who_is_slow_is_not_waited_for_for_ever(slow, kind):
    """Half-open, dripping, silent: closed by the gateway."""
    assert await slow[kind] in SLOW[kind][1]


# After all of it.


async def test_the_neighbours_lost_nothing(gateway, neighbours):
    """Every frame that they sent lies on `media`, once, in order, on its track; in the end the
    gateway knows of no connection any more."""
    for one in neighbours.streams:
        one.stopping = True
    await asyncio.gather(*neighbours.sending)
    assert [] == neighbours.disturbed()
    for coded in neighbours.media.streams:
        expected = {track: [sent for _, sent in coded.sent(track)] for track in TRACKS}
        assert expected == await received(gateway, coded)
        [closed] = await ended(gateway, coded.media_stream)
        assert ("stop", coded.frames, 0) == (closed.reason, closed.frames, closed.invalid)
    await until(lambda: gateway.counted("flexcapture_gateway_connections") == 0)
