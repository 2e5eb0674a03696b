"""`flexcapture twilio check-call` against the simulated Twilio and a gateway that runs: it finds
each assumption either way."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest
from pydantic import SecretStr

from cli.check_call.command import Asked, checked
from cli.check_call.findings import JUDGES
from cli.check_call.report import Result
from cli.check_call.verdicts import Status
from simulator import placed
from simulator.placed import BUSY
from simulator.script import ConferenceBegan, Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.unlike import NONE, Unlike
from simulator.world import World
from tests.integration.lone_gateway import CREDENTIALS, LoneGateway, lone_gateway

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SOUND = frozenset(
    {
        Unlike.SILENCE,
        Unlike.FIRST_TIMESTAMP,
        Unlike.TIMESTAMP_STEPS,
        Unlike.PING,
        Unlike.STOP_MESSAGE,
        Unlike.SECOND_SOCKET,
        Unlike.START_ANSWER,
        Unlike.STOP_AFTER_END,
        Unlike.TRACK_LIMIT,
        Unlike.PAGING,
    }
)
NAMES = frozenset({Unlike.CHUNK, Unlike.TRACKS, Unlike.SOCKET_AFTER_CALL, Unlike.SAME_NAME})
SIGNATURE = frozenset({Unlike.SIGNATURE_URL, Unlike.START_WHILE_RINGING})
GROUPS = (NONE, SOUND, NAMES, SIGNATURE)


async def _result(
    gateway: LoneGateway, unlike: frozenset[Unlike], seed: int, to: str = "+15550100200"
) -> Result:
    """What a test call on an account finds for which `unlike` does not hold."""
    world = World(Sids(Random(seed)), unlike)
    async with TwilioRest(world, CREDENTIALS, Faults(too_many_requests=1)) as rest:
        for number in range(2):
            world.apply(ConferenceBegan(f"CF{number:032x}", f"WT{number:032x}"), 0)
        settings = gateway.settings.model_copy(
            update={
                "twilio_account_sid": CREDENTIALS.account_sid,
                "twilio_auth_token": SecretStr(CREDENTIALS.auth_token),
                "twilio_api_url": rest.url,
                "gateway_public_url": gateway.url,
            }
        )
        result = await checked(settings, Asked(to, None, is_agreed=True, in_json=False))
        assert all(call.over.is_set() for call in rest.placed.calls.values())
    return result


async def test_each_assumption_both_ways(
    kafka: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a usual account every assumption holds; on others exactly those differ that do not, and
    only exchanged tracks and another signed URL need a change. A busy number is a failure."""
    monkeypatch.setattr(placed, "SECONDS_A_WORD", 0.2)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(lone_gateway(kafka, prefix, tmp_path))
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(_result(gateway, unlike, 10 * seed))
                for seed, unlike in enumerate(GROUPS)
            ]
            busy = group.create_task(_result(gateway, NONE, 99, to=BUSY))
    usual, *others = [task.result() for task in running]
    assert (True, None) == (usual.is_good, usual.problem), usual
    assert set(JUDGES) == {f.name for f in usual.findings if f.status is Status.HOLDS}
    for unlike, result in zip(GROUPS[1:], others, strict=True):
        differing = {Status.DIFFERS, Status.CHANGE}
        found = {f.name for f in result.findings if f.status in differing}
        assert {each.value for each in unlike} == found, result
    changes = [f for result in others for f in result.findings if f.status is Status.CHANGE]
    assert ["tracks", "signature-url"] == [finding.name for finding in changes]
    assert "FLEXCAPTURE_GATEWAY_SIGNED_URL=ws://127.0.0.1/media" in changes[1].remedy
    assert [True, False, False] == [result.is_good for result in others]
    assert "reached no gateway" in str(others[-1].problem)
    assert "busy" in str(busy.result().problem)


def test_every_assumption_that_a_call_shows_is_played() -> None:
    """The accounts above differ in all of them."""
    played = {each.value for unlike in GROUPS for each in unlike}
    assert set(JUDGES) == played
