"""A Twilio with a recorded conference, and what a retriever needs to fetch it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from aiohttp import ClientSession

from agents.retriever.retrieval import Order, Retrieval
from agents.retriever.steps import WorkSteps
from agents.retriever.twilio import TwilioRecordings
from agents.twilio_history.client import HistoryApi
from agents.twilio_history.permits import RequestPermits
from pipeline.media.wav import header
from pipeline.recovery.sources import SourceRecording
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_rest import RestClient
from pipeline.store.audio import AudioStore
from schemas.records import Contact, ContactRecording
from simulator.audio import Voice
from simulator.media import Credentials
from simulator.recorded import RecordedConferences
from simulator.script import (
    ConferenceBegan,
    ConferenceEnded,
    LegBegan,
    LegStatus,
    ParticipantJoined,
    ParticipantLeft,
    Sids,
)
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World
from tests.pipeline.recovery.contacts_made import AT, CUSTOMER, TASK, WORKER, contact_with

CONFERENCE = "CF" + "1" * 32
ACCOUNT = Credentials("AC" + "a" * 32, "t" * 32)


def played(
    world: World, *, seconds: int = 40, off_ms: int = 370, customer_first: bool = True
) -> None:
    """Play a conference of two people that began `off_ms` after `AT`, a whole second."""
    begun = AT + off_ms
    joins = [(CUSTOMER, "customer", Voice.CUSTOMER), (WORKER, None, Voice.AGENT)]
    for call_sid, _, _ in joins:
        world.apply(LegBegan(call_sid, LegStatus.IN_PROGRESS), AT - 1_000, seed=TASK)
    world.apply(ConferenceBegan(CONFERENCE, TASK), begun)
    for number, (call_sid, label, voice) in enumerate(joins if customer_first else joins[::-1]):
        world.apply(ParticipantJoined(CONFERENCE, call_sid, label, voice), begun + number * 400)
    for call_sid, _, _ in joins:
        world.apply(ParticipantLeft(CONFERENCE, call_sid), begun + seconds * 1000)
    world.apply(ConferenceEnded(CONFERENCE), begun + seconds * 1000)


@dataclass
class Scene:
    """The double, its recordings, and the parts of a retriever."""

    rest: TwilioRest
    world: World
    twilio: TwilioRecordings
    store: AudioStore
    retrieval: Retrieval
    directory: Path
    health: Health

    @property
    def recorded(self) -> RecordedConferences:
        """Twilio's recordings."""
        return self.rest.recordings.recorded

    async def source(self) -> SourceRecording:
        """Return the only recording as the retriever sees it."""
        [found] = await self.twilio.of_call(TASK, [CUSTOMER])
        return found

    async def order(self, contact: Contact, part: int = 0) -> Order:
        """Return an order for all required time."""
        spans = tuple((s.started_at, s.ended_at) for s in contact.required)
        return Order(contact, await self.source(), part, spans)

    def sides(self) -> tuple[bytes, bytes]:
        """Return the true audio of customer and agent, from the conference's beginning."""
        [recording] = self.recorded.all(AT + 10**9)
        first, second = self.recorded.channels(recording)
        return (first, second) if recording.call_sid == CUSTOMER else (second, first)

    async def capture(self, start: int, end: int, late_ms: int = 0) -> ContactRecording:
        """Store a recording that was made in real time: from `start` to `end` (ms from the
        conference's beginning). Its gateway's clock is `late_ms` late."""
        cut = [side[start * 8 : end * 8] for side in self.sides()]
        pairs = np.frombuffer(b"".join(cut), np.uint8).reshape(2, -1).T.tobytes()
        await self.store.put("captured.wav", header(len(cut[0])) + pairs)
        [recording] = self.recorded.all(AT + 10**9)
        return ContactRecording(
            inum="1", call_sid=CUSTOMER, stream_sid="MZ" + "1" * 32, extension=None, extensions=(),
            state="complete", started_at=recording.started_at + start + late_ms,
            duration_ms=end - start, received=0, lost=0, duplicate=0, invalid=0,
            audio="captured.wav", manifest="captured.json", recording_id="1-a",
        )  # fmt: skip


@asynccontextmanager
async def scene(tmp_path: Path, *, keys: Any = (), **conference: Any) -> AsyncIterator[Scene]:
    """A scene with one conference that is over."""
    world = World(Sids(Random(1)))
    played(world, **conference)
    store = AudioStore.from_url((tmp_path / "recordings").as_uri())
    permits = RequestPermits(jitter=lambda: 0.0)
    permits.grant(4)
    credentials = (ACCOUNT.account_sid, ACCOUNT.auth_token)
    health = Health()
    async with (
        TwilioRest(world, ACCOUNT, Faults()) as rest,
        RestClient(ACCOUNT.account_sid, credentials, rest.url, 5.0) as client,
        ClientSession() as session,
    ):
        api = HistoryApi(client, permits, health, attempts=3, pause_s=(0.01, 0.05))
        twilio = TwilioRecordings(api, session, credentials)
        directory = tmp_path / "downloads"
        directory.mkdir()
        retrieval = Retrieval(store, twilio, directory, keys, WorkSteps())
        yield Scene(rest, world, twilio, store, retrieval, directory, health)


def missed(seconds: int = 40, **changes: Any) -> Contact:
    """Return a contact of which nothing was captured."""
    end = seconds * 1000 + 2_000
    return contact_with(((-2_000, end),), gaps=((-2_000, end),), **changes)
