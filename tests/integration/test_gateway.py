"""The gateway on a real Kafka, with real sockets."""

import asyncio
import json
import time
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import InvalidStatus

from pipeline.media.batch import frames
from pipeline.runtime.kafka import partition_of, producer
from pipeline.runtime.settings import Settings
from schemas import codec
from schemas.records import (
    GatewayAlive,
    GatewayStarted,
    HandshakeRefused,
    MediaBatch,
    MediaStreamClosed,
    MediaStreamOpened,
    RecordingDecided,
    SequenceBreak,
)
from schemas.topics import CALL_PARTITIONS
from tests.gateway.dialogue import CALL, STREAM, TASK, connected, media, start, stop
from tests.integration.gateway_process import TOKEN, Running, closing_code, gateway_with, ticket

pytestmark = pytest.mark.integration
HOSTILE_STREAM = "MZ" + "b" * 32


async def test_frames_in_batches_out(gateway):
    """Every frame is on `media` under the task SID, between opened and closed, which are on
    `stream.events` too; the announcement of the gateway is on every partition before them."""
    sent: dict[str, list[tuple[int, bytes]]] = {"inbound": [], "outbound": []}
    async with gateway.connect() as ws:
        await ws.send(connected())
        await ws.send(start())
        for number in range(60):
            for track, shift in (("inbound", 0), ("outbound", 100)):
                payload = bytes([number + shift]) * 160
                sent[track].append((119 + 20 * number, payload))
                await ws.send(media(track, str(119 + 20 * number), payload, str(number)))
        await ws.send(stop())
        assert (1000, "stop") == await closing_code(ws)
    found = await gateway.records("media", MediaStreamClosed)
    started = [(record.partition, ours) for record, ours in found if type(ours) is GatewayStarted]
    assert set(range(24)) == {partition for partition, _ in started}
    [epoch] = {ours.epoch for _, ours in started}
    stream = [(record, ours) for record, ours in found if record.key == TASK.encode()]
    kinds = [type(ours) for _, ours in stream]
    assert [MediaStreamOpened, *[MediaBatch] * (len(kinds) - 2), MediaStreamClosed] == kinds
    assert {epoch} == {ours.epoch for _, ours in stream}
    assert sorted(record.offset for record, _ in stream) == [record.offset for record, _ in stream]
    batches = [ours for _, ours in stream if type(ours) is MediaBatch]
    received: dict[str, list[tuple[int, bytes]]] = {"inbound": [], "outbound": []}
    for frame in (frame for batch in batches for frame in frames(batch)):
        received[frame.track].append((frame.timestamp, frame.payload))
    assert sent == received
    closed = stream[-1][1]
    assert ("stop", len(batches), 120, 0) == (
        closed.reason,
        closed.batches,
        closed.frames,
        closed.invalid,
    )
    events = await gateway.records("stream.events", MediaStreamClosed)
    assert [MediaStreamOpened, MediaStreamClosed] == [
        type(ours) for record, ours in events if record.key == TASK.encode()
    ]


@pytest.mark.parametrize(
    ("segment", "headers", "status"),
    [
        (None, {"X-Twilio-Signature": ""}, 403),
        (None, {"X-Twilio-Signature": "c29tZXRoaW5nIGVsc2U="}, 403),
        (None, {"X-Twilio-Signature": "", "X-Forwarded-Host": "elsewhere"}, 403),
        ("", {}, 403),
        ("/no-ticket", {}, 403),
        ("/a/b", {}, 403),
        ("?x=1", {}, 403),
    ],
)
async def test_strangers_are_refused(gateway, segment, headers, status):
    """Before anything is read from them."""
    with pytest.raises(InvalidStatus) as refused:
        async with gateway.connect(segment, **headers):
            pass
    assert status == refused.value.response.status_code


async def test_without_a_token_every_socket_is_refused_and_health_is_good(settings_for, prefix):
    """There is nothing to check a signature with."""
    async with gateway_with(settings_for(prefix)) as gateway:
        assert {} == gateway.health.reasons
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.connect():
                pass
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([connected(), "{broken"], 1008),
        ([connected(), media("inbound", "20", bytes(160))], 1008),
        ([connected(), start(parameters={})], 1008),
        ([connected(), start(stream=HOSTILE_STREAM), json.dumps({"event": "x" * 70_000})], 1009),
        ([json.dumps({"event": "x" * 1_000_000})], 1009),
        ([b"binary"], 1008),
    ],
)
async def test_rubbish_ends_its_socket_and_no_other(gateway, messages, code):
    """The neighbour's frames continue; a bad payload on its socket is skipped and counted."""
    async with gateway.connect() as neighbour:
        await neighbour.send(start())
        async with gateway.connect() as hostile:
            for message in messages:
                await hostile.send(message)
            assert code == (await closing_code(hostile))[0]
        await neighbour.send(media("inbound", "20", "no base64"))
        await neighbour.send(media("inbound", "40", bytes(160)))
        await neighbour.send(stop())
        assert (1000, "stop") == await closing_code(neighbour)
    count = 2 if any(HOSTILE_STREAM in str(message) for message in messages) else 1
    found = await gateway.records("media", MediaStreamClosed, count)
    ended = {ours.stream_sid: ours for _, ours in found if type(ours) is MediaStreamClosed}
    assert ("stop", 1, 1) == (
        ended[STREAM].reason,
        ended[STREAM].frames,
        ended[STREAM].invalid,
    )
    if count == 2:
        assert ended[HOSTILE_STREAM].reason == "protocol-error"


async def test_a_socket_that_is_cut_ends_the_stream_as_dropped(gateway):
    """With all that came before it."""
    async with gateway.connect() as ws:
        await ws.send(start())
        await ws.send(media("outbound", "20", bytes(160)))
        await ws.ping()
        ws.transport.abort()
    found = await gateway.records("media", MediaStreamClosed)
    *_, batch, closed = [ours for record, ours in found if record.key == TASK.encode()]
    assert [(20, 160)] == [(f.timestamp, len(f.payload)) for f in frames(batch)]
    assert ("dropped", 1) == (closed.reason, closed.frames)


async def test_a_silent_stream_stays_while_its_socket_answers_pings(gateway):
    """The socket lives, and Twilio sends nothing for 8 s: frames after that come on the same socket
    and in the same media stream. Meanwhile the gateway reports on every partition that it lives."""
    async with gateway.connect() as ws:
        await ws.send(start())
        await ws.send(media("inbound", "20", bytes(160), "2"))
        await asyncio.sleep(8)
        await ws.send(media("inbound", "8020", bytes(160), "3"))
        await ws.send(media("inbound", "9020", bytes(160), "5"))
        await ws.send(stop())
        assert (1000, "stop") == await closing_code(ws)
    found = await gateway.records("media", MediaStreamClosed)
    stream = [ours for record, ours in found if record.key == TASK.encode()]
    opened, *batches, ended = stream
    assert (MediaStreamOpened, "stop", 3) == (type(opened), ended.reason, ended.frames)
    stamps = [f.timestamp for batch in batches for f in frames(batch)]
    assert [20, 8_020, 9_020] == stamps
    breaks = [each for batch in batches for track in batch.tracks for each in track.breaks]
    assert [SequenceBreak(9_020, "not-received")] == breaks
    signs = await gateway.records("gateways.alive", GatewayAlive, 48)
    assert set(range(24)) == {record.partition for record, _ in signs}
    events = await gateway.records("stream.events", MediaStreamClosed)
    assert [] == [ours for _, ours in events if isinstance(ours, GatewayAlive)]


async def test_a_silent_stream_whose_socket_answers_no_ping_is_closed(gateway):
    """The media stream ends as if the other side had vanished."""
    async with gateway.connect() as ws:
        await ws.send(start())
        ws.transport.pause_reading()  # so that the client does not see the ping
        found = await gateway.records("stream.events", MediaStreamClosed)
        ws.transport.resume_reading()
        assert (1011, "no media") == await closing_code(ws)
    [ended] = [ours for _, ours in found if isinstance(ours, MediaStreamClosed)]
    assert ("no-media", 0) == (ended.reason, ended.frames)


async def publish(settings: Settings, *records: RecordingDecided) -> None:
    """Decisions, as a stream manager writes them."""
    writer = producer(settings)
    await writer.start()
    try:
        for record in records:
            topic, key = settings.prefixed("stream.events"), record.task_sid.encode()
            await writer.send_and_wait(topic, codec.encode(record), key)
    finally:
        await writer.stop()


async def test_a_stop_closes_the_socket_without_twilio(gateway):
    """The decision alone closes the socket, and one that opens later under the same task. Sockets
    of other tasks stay, and so do sockets of a call that is recorded again."""
    others = [f"WT{letter * 32}" for letter in "abc"]
    now = time.time_ns() // 10**6
    await publish(gateway.settings, RecordingDecided(others[1], now - 60_000, "stop", "old", 1))
    async with AsyncExitStack() as sockets:
        ours, *neighbours = [
            await sockets.enter_async_context(gateway.connect(task=task))
            for task in (TASK, *others)
        ]
        for ws, task in zip((ours, *neighbours), (TASK, *others), strict=True):
            parameters = {"taskSid": task, "generation": "2"}
            await ws.send(start(stream=f"MZ{task[2:]}", parameters=parameters))
            await ws.send(media("inbound", "20", bytes(160), stream=f"MZ{task[2:]}"))
        now = time.time_ns() // 10**6
        await publish(
            gateway.settings,
            RecordingDecided(TASK, now, "do-not-record", "the queue is excluded", 1),
            RecordingDecided(others[2], now, "stop", "left", 1),
            RecordingDecided(others[2], now + 1, "record", "came back", 1),
        )
        assert (1000, "not to be recorded") == await closing_code(ours)
        assert (1000, "not to be recorded") == await closing_code(neighbours[1])
        again = await sockets.enter_async_context(gateway.connect())
        await again.send(start())
        assert (1000, "not to be recorded") == await closing_code(again)
        for ws, task in ((neighbours[0], others[0]), (neighbours[2], others[2])):
            await ws.send(stop(stream=f"MZ{task[2:]}"))
            assert (1000, "stop") == await closing_code(ws)
    found = await gateway.records("stream.events", MediaStreamClosed, 5)
    ended = [ours for _, ours in found if isinstance(ours, MediaStreamClosed)]
    # To know that it has read the latest decision, the gateway writes the next offset.
    signs = {record.partition for record, ours in found if isinstance(ours, GatewayAlive)}
    own, old = (partition_of(task.encode(), CALL_PARTITIONS) for task in (TASK, others[1]))
    assert {own} <= signs <= {own, old}
    why = "not-to-be-recorded"
    assert {
        (f"MZ{TASK[2:]}", why, "the queue is excluded"),
        (STREAM, why, "the queue is excluded"),
        (f"MZ{others[1][2:]}", why, "old"),
        (f"MZ{others[0][2:]}", "stop", ""),
        (f"MZ{others[2][2:]}", "stop", ""),
    } == {(each.stream_sid, each.reason, each.detail) for each in ended}


async def until_warned(gateway: Running, word: str) -> None:
    """Waits until the health check warns of handshakes, with this word in it."""
    async with asyncio.timeout(10):
        while word not in gateway.health.warnings.get("handshakes", ""):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_refused_handshakes_are_a_warning_and_a_record_of_the_call(gateway):
    """The gateway stays healthy, strangers are no reason, and the next accepted one clears it."""
    with pytest.raises(InvalidStatus):
        async with gateway.connect(**{"X-Twilio-Signature": ""}, segment="/stranger"):
            pass
    await asyncio.sleep(0.3)
    assert {} == gateway.health.warnings
    for segment, token, word in (
        (None, "another token", "wrong-token"),
        ("/" + ticket(time.time() - 75), TOKEN, "ticket-expired"),
        ("/" + ticket(time.time() + 300), TOKEN, "ticket-ahead"),
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.connect(segment, token=token):
                pass
        assert refused.value.response.status_code == 403
        await until_warned(gateway, word)
    assert {} == gateway.health.reasons
    found = await gateway.records("stream.events", HandshakeRefused, 2)
    refusals = [(record.key, ours) for record, ours in found if isinstance(ours, HandshakeRefused)]
    assert [(TASK.encode(), "ticket-expired"), (TASK.encode(), "ticket-ahead")] == [
        (key, ours.reason) for key, ours in refusals
    ]
    assert {(TASK, CALL, 2)} == {
        (ours.task_sid, ours.call_sid, ours.generation) for _, ours in refusals
    }
    async with gateway.connect(), asyncio.timeout(10):
        while gateway.health.warnings:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_what_runs_at_a_stop_is_drained(settings_for, prefix):
    """Unhealthy first, then the sockets closed with 1001, the audio flushed, all within 8 s."""
    settings = settings_for(prefix, twilio_auth_token=TOKEN)
    async with gateway_with(settings) as gateway, gateway.connect() as ws:
        await ws.send(start())
        await ws.send(media("inbound", "20", bytes(160)))
        gateway.stop.set()
        assert (1001, "going away") == await closing_code(ws)
        assert ["draining"] == list(gateway.health.reasons)
    found = await gateway.records("media", MediaStreamClosed)
    *_, batch, closed = [ours for record, ours in found if record.key == TASK.encode()]
    assert isinstance(batch, MediaBatch)
    assert ("drained", 1) == (closed.reason, closed.frames)
