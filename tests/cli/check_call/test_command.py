"""How the command asks, refuses, and ends a call whatever happens."""

import asyncio
import io
from random import Random
from typing import Any, Self

import pytest
from pydantic import SecretStr

from cli.check_call import account, command, course
from cli.check_call.account import CheckApi
from cli.check_call.command import Asked, CheckCallRefused, explained
from cli.check_call.course import CallFailed, CheckCall
from cli.check_call.observations import Observations
from cli.check_call.tap import Tap
from cli.main import main
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.check_tasks import check_task_sid
from simulator import placed
from simulator.media import Credentials
from simulator.placed import BUSY, OWN_NUMBER
from simulator.script import Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World

CREDENTIALS = Credentials("AC" + "a" * 32, "secret")
TASK = check_task_sid(b"12345678")
TO = "+15550100200"
ASKED = Asked(TO, None, is_agreed=True, in_json=False)


def _settings(**changes: Any) -> Settings:
    own: dict[str, Any] = {
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "twilio_account_sid": CREDENTIALS.account_sid,
        "twilio_auth_token": SecretStr("secret"),
        "gateway_public_url": "ws://127.0.0.1:1/media",
    }
    return Settings(**own | changes)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes quickly at Twilio, and requests are repeated soon."""
    monkeypatch.setattr(placed, "RING_S", 0.2)
    monkeypatch.setattr(course, "POLL_S", 0.05)
    monkeypatch.setattr(account, "PAUSE_S", (0.01, 0.02))


class Played:
    """A test call at a simulated Twilio; its media streams reach no gateway."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.seen = Observations()
        self.said: list[str] = []
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
            say=self.said.append,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.api.__aexit__()
        await self.rest.__aexit__(None, None, None)

    @property
    def statuses(self) -> list[str]:
        return [call.status for call in self.rest.placed.calls.values()]


@pytest.mark.usefixtures("_quick")
async def test_a_call_that_is_not_answered_is_a_failure() -> None:
    """The reason is Twilio's; while it rings a start is tried."""
    async with Played() as played:
        with pytest.raises(CallFailed, match="busy"):
            await played.call.run(BUSY, OWN_NUMBER)


@pytest.mark.usefixtures("_quick")
async def test_throttled_requests_are_repeated_and_one_call_is_placed() -> None:
    """429 is asked again; so is 503, but not of the request that places the call."""
    async with Played(Faults(too_many_requests=2)) as played:
        numbers = await played.api.own_numbers()
        call = await played.api.place_call(TO, numbers[0])
        assert [call.sid] == list(played.rest.placed.calls)
    async with Played(Faults(unavailable=1)) as played:
        with pytest.raises(TwilioError, match="503"):
            await played.api.place_call(TO, OWN_NUMBER)
        assert [] == played.statuses


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("after_s", [0.003, 0.1, 0.6])
async def test_whenever_it_is_stopped_the_call_is_ended(after_s: float) -> None:
    """While it is placed, while it rings, and while it is streamed."""
    async with Played() as played:
        running = asyncio.create_task(played.call.run(TO, OWN_NUMBER))
        await asyncio.sleep(after_s)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert set(played.statuses) <= {"completed", "canceled"}


def test_without_a_terminal_it_must_be_agreed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, before anything is asked of anything."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    asked = Asked(TO, None, is_agreed=False, in_json=False)
    assert 2 == command.run(_settings(), asked)
    assert "--yes" in capsys.readouterr().err


def test_kafka_that_is_away_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, and no result."""
    assert 1 == command.run(_settings(), ASKED)
    out, err = capsys.readouterr()
    assert ("", True) == (out, "Kafka" in err)


@pytest.mark.parametrize(
    "missing", ["twilio_account_sid", "twilio_auth_token", "gateway_public_url"]
)
def test_missing_settings_are_named(missing: str) -> None:
    """Each that a call needs."""
    with pytest.raises(SettingsError, match=missing.upper()):
        command.run(_settings(**{missing: None}), ASKED)


async def test_the_cost_is_stated_before_the_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--yes` there is no question; anything but yes places no call."""
    await command._agree(ASKED, OWN_NUMBER)
    assert "Twilio charges" in capsys.readouterr().err

    async def no() -> str:
        return "nonsense\n"

    monkeypatch.setattr(command, "_line", no)
    with pytest.raises(CheckCallRefused, match="no call was placed"):
        await command._agree(Asked(TO, None, is_agreed=False, in_json=False), OWN_NUMBER)
    assert "[y/N]" in capsys.readouterr().err


def test_refusals_say_what_to_do() -> None:
    """Twilio's code and text, and their meaning here."""
    told = explained(TwilioError(400, 21215, "Account not authorized"))
    assert "400 21215" in told
    assert "Geo permissions" in told
    assert "network" in explained(TwilioError(0, None, "no answer"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["twilio", "check-call"],
        ["twilio", "check-call", "--to", "5550100"],
        ["twilio", "check-call", "--to", "client:x"],
        ["twilio", "check-call", "--to", TO, "--from", "+1"],
        ["twilio"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Exit status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert 2 == ended.value.code


def test_an_unknown_assumption_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """`demo --unlike` lists the names."""
    assert 2 == main(["demo", "--exit", "--unlike", "silence,nonsense"])
    assert "held-customer" in capsys.readouterr().err
