"""A test call at a simulated Twilio."""

from random import Random
from typing import Self

from cli.check_call.account import CheckApi
from cli.check_call.course import CheckCall
from cli.check_call.observations import Observations
from cli.check_call.tap import Tap
from pipeline.twilio.check_tasks import check_task_sid
from simulator.media import Credentials
from simulator.script import Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World

CREDENTIALS = Credentials("AC" + "a" * 32, "secret")
TASK = check_task_sid(b"12345678")
TO = "+15550100200"


class Played:
    """A test call at a simulated Twilio; its media streams reach no gateway."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.seen = Observations()
        self.lines: list[str] = []
        self.rest = TwilioRest(World(Sids(Random(1))), CREDENTIALS, faults or Faults())

    async def __aenter__(self) -> Self:
        await self.rest.__aenter__()
        token = CREDENTIALS.auth_token
        self.api = CheckApi(
            CREDENTIALS.account_sid,
            (CREDENTIALS.account_sid, token),
            token,
            self.rest.url,
            clock=lambda: 1_700_000_000.0,
        )
        await self.api.__aenter__()
        url = "ws://127.0.0.1:1/media"
        self.call = CheckCall(
            self.api,
            Tap(TASK, self.seen),
            self.seen,
            TASK,
            url,
            now=lambda: 1,
            say=self.lines.append,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.api.__aexit__()
        await self.rest.__aexit__(None, None, None)

    @property
    def statuses(self) -> list[str]:
        return [call.status for call in self.rest.placed.calls.values()]
