"""Calls with a media stream that must stop while the call continues, played on `cti.events` at a
steady rate, with the simulated Twilio; and the times of the requests."""

import asyncio
import itertools
import json
from random import Random
from typing import Any

from aiokafka import AIOKafkaProducer
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.kinesis import last_event
from benchmarks.lateness import Stop
from pipeline.kinesis.messages import KinesisRecord, SizeLimits, messages_of
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.settings import Settings
from simulator.building import CallBuilder
from simulator.events import Account
from simulator.media import Credentials, clock, signature, started
from simulator.openings import conversation_begins
from simulator.script import EventSent, Json, LegStatus, Script, Sids
from simulator.world import MediaStream, StreamStatus, World

AFTER_MS = 60_000
"""How long the customer's leg lasts after the agent left: longer than any stop may take."""
LOOK_S = 0.25
END_S = 3.0
_WRAPUP = "reservation.wrapup"
_PLACE = Place("bench", 0, "shard-0")


class NotingWorld(World):
    """A world that notes the times (ms) of the Stop Stream requests of each leg, refused or not."""

    def __init__(self, sids: Sids) -> None:
        super().__init__(sids)
        self.stops: dict[str, list[int]] = {}

    def stop_media_stream(self, call_sid: str, sid_or_name: str, status: str) -> MediaStream:
        """Note the request, and carry it out."""
        self.stops.setdefault(call_sid, []).append(clock())
        return super().stop_media_stream(call_sid, sid_or_name, status)

    def _note(self, now: int) -> None:
        """Do nothing: the journal of all conferences is not needed, and grows with each call."""


class StoppedCalls:
    """Plays `rate` calls in a second. In each, the only monitored agent leaves `streamed_s` after
    the answer, and the customer's leg continues. `not_started`: how many media streams had not
    started by then; these do not count."""

    def __init__(
        self,
        world: NotingWorld,
        account: Account,
        settings: Settings,
        sender: AIOKafkaProducer,
        *,
        rate: float,
        streamed_s: float,
    ) -> None:
        self._world, self._account = world, account
        self._settings, self._sender = settings, sender
        self._spacing_ms = 1_000 / rate
        self._streamed_ms = round(streamed_s * 1_000)
        self._sent = itertools.count(1)
        self._due: dict[str, int] = {}
        self.not_started = 0

    async def play(self) -> None:
        """Play calls until cancelled."""
        random, begins_at = Random(7), clock()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                at = begins_at + round(number * self._spacing_ms)
                await asyncio.sleep((at - clock()) / 1_000)
                group.create_task(self._call(self._script(at, random, number)))

    def stops(self) -> list[Stop]:
        """Return the stops that have been due so far."""
        return [Stop(at, self._requested(sid, at)) for sid, at in self._due.items()]

    async def end(self) -> None:
        """End all media streams."""
        running = [s for leg in self._world.legs.values() for s in leg.media_streams]
        for media_stream in running:
            media_stream.stopping = True
        deadline = clock() + END_S * 1_000
        while clock() < deadline and any(s.ended_at is None for s in running):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)

    def _requested(self, call_sid: str, due_at: int) -> int | None:
        times = self._world.stops.get(call_sid, ())
        return next((at for at in times if at >= due_at), None)

    def _script(self, begins_at: int, random: Random, number: int) -> Script:
        call = CallBuilder(begins_at, self._account, random, number)
        call.without_callbacks()
        ann = conversation_begins(call)
        call.wait(self._streamed_ms)
        call.stops_recording()
        call.leave(ann)
        call.wait(AFTER_MS)
        call.hang_up()
        return call.script("stopped", "The monitored agent leaves, the customer stays")

    async def _call(self, script: Script) -> None:
        stopping = last_event(script, _WRAPUP)
        for step in script.steps:
            await asyncio.sleep((step.at - clock()) / 1_000)
            if not isinstance(step.action, EventSent):
                self._world.apply(step.action, clock(), seed=script.task_sid, line=script.line)
                continue
            if step.action.event["id"] == stopping:
                self._note_due(script.customer_call_sid or "")
            await self._send(step.action.event)

    def _note_due(self, call_sid: str) -> None:
        if self._world.legs[call_sid].media_streams:
            self._due[call_sid] = clock()
        else:
            self.not_started += 1

    async def _send(self, event: Json) -> None:
        """Write an event as the bridge does."""
        number = str(10**20 + next(self._sent))
        record = KinesisRecord(number, clock(), json.dumps(event).encode())
        for message in messages_of(_PLACE, record, SizeLimits(), record.arrived_at):
            topic = self._settings.prefixed(message.topic)
            await self._sender.send(topic, message.value, message.key, headers=message.headers)


async def silent_media_stream(
    world: World, media_stream: MediaStream, credentials: Credentials
) -> None:
    """Run a media stream without any frames, which costs next to nothing."""
    leg, url = world.legs[media_stream.call_sid], media_stream.url
    headers = {"X-Twilio-Signature": signature(credentials.auth_token, url)}
    try:
        async with connect(
            url, additional_headers=headers, compression=None, ping_interval=None, proxy=None
        ) as socket:
            media_stream.began_at = clock()
            await socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            body = started(media_stream, credentials.account_sid)
            await socket.send(_numbered(media_stream, 1, "start", body))
            while leg.status is LegStatus.IN_PROGRESS and not media_stream.stopping:
                await asyncio.sleep(LOOK_S)
                if socket.close_code is not None:
                    break
            ids = {"accountSid": credentials.account_sid, "callSid": leg.sid}
            await socket.send(_numbered(media_stream, 2, "stop", ids))
    except (OSError, TimeoutError, WebSocketException) as error:
        media_stream.trouble = f"{type(error).__name__}: {error}"
    media_stream.status = StreamStatus.STOPPED
    media_stream.ended_at = clock()


def _numbered(media_stream: MediaStream, number: int, event: str, body: Any) -> str:
    message = {"event": event, "sequenceNumber": str(number), "streamSid": media_stream.sid}
    return json.dumps(message | {event: body})
