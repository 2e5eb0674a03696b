"""A client of the REST double, and calls for it to stream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import aiohttp

from simulator.audio import Voice
from simulator.media import Credentials
from simulator.script import (
    ConferenceBegan,
    DialledEnds,
    Json,
    LegBegan,
    LegStatus,
    Line,
    ParticipantJoined,
    Sids,
)
from simulator.twilio_rest import Faults, TwilioRest
from simulator.unlike import NONE, Unlike
from simulator.world import World

CREDENTIALS = Credentials("AC" + "a" * 32, "secret")
LEG, WORKER_LEG, RINGING_LEG = "CA" + "1" * 32, "CA" + "2" * 32, "CA" + "3" * 32
TASK, CONFERENCE = "WT" + "4" * 32, "CF" + "5" * 32


def small_world(unlike: frozenset[Unlike] = NONE) -> World:
    """Return a customer with an agent, and a leg that rings."""
    world = World(Sids(Random(1)), unlike)
    world.apply(
        LegBegan(LEG, LegStatus.IN_PROGRESS), 0, seed="call", line=Line(range(5, 8), range(9, 10))
    )
    ends = DialledEnds("+15550001000", "client:ann_40example_2Ecom", "outbound-api")
    world.apply(LegBegan(WORKER_LEG, LegStatus.IN_PROGRESS, ends), 0, seed=TASK)
    world.apply(LegBegan(RINGING_LEG, LegStatus.RINGING), 0)
    world.apply(ConferenceBegan(CONFERENCE, TASK), 0)
    world.apply(ParticipantJoined(CONFERENCE, WORKER_LEG, "worker", Voice.AGENT), 0)
    world.apply(ParticipantJoined(CONFERENCE, LEG, "customer", Voice.CUSTOMER), 0)
    world.apply(ParticipantJoined(CONFERENCE, RINGING_LEG, None, Voice.OUTSIDER), 0)
    return world


@dataclass
class Api:
    """A client of the double."""

    session: aiohttp.ClientSession
    base: str
    account: str = CREDENTIALS.account_sid
    password: str = CREDENTIALS.auth_token

    async def post(self, path: str, **form: str) -> tuple[int, Json]:
        """POST of a form: status and body."""
        return await self._asked("POST", path, data=form)

    async def get(self, path: str, **query: str) -> tuple[int, Json]:
        """GET: status and body."""
        return await self._asked("GET", path, params=query)

    async def _asked(self, method: str, path: str, **more: dict[str, str]) -> tuple[int, Json]:
        url = f"{self.base}/2010-04-01/Accounts/{self.account}{path}"
        auth = aiohttp.BasicAuth(self.account, self.password)
        async with self.session.request(method, url, auth=auth, **more) as answer:  # type: ignore[arg-type]
            return answer.status, await answer.json()


@asynccontextmanager
async def double_of(world: World, faults: Faults | None = None) -> AsyncIterator[Api]:
    rest = TwilioRest(world, CREDENTIALS, faults or Faults())
    async with rest, aiohttp.ClientSession() as session:
        yield Api(session, rest.url)
