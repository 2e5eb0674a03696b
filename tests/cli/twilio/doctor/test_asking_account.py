"""How doctor fetches the facts of the account from the simulated Twilio, and changes nothing."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from cli.twilio.api import AdminApi
from cli.twilio.doctor import asking_account
from cli.twilio.doctor.asking_account import account_facts
from cli.twilio.doctor.checks import results
from cli.twilio.doctor.facts import AccountFacts, Facts, KinesisFacts
from cli.twilio.doctor.results import CheckTrouble
from cli.twilio.kinesis import KinesisStream
from pipeline.check_results import CheckResult, CheckStatus
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.event_streams import WANTED_TYPES
from simulator.twilio_rest import TwilioRest
from tests.cli.twilio.accounts import CREDENTIALS, SINK, STREAM_ARN, account, settings_of

TOKEN = CREDENTIALS.auth_token
STREAM = KinesisStream(STREAM_ARN, "ACTIVE", 168, 1)
KEY = (CREDENTIALS.account_sid, TOKEN)


def _not_ok(found: list[CheckResult], *names: str) -> dict[str, CheckStatus]:
    """The status of those of the named checks that are not ok."""
    return {e.name: e.status for e in found if e.name in names and e.status is not CheckStatus.OK}


def _healthy(rest: TwilioRest) -> None:
    """Sink, subscription and workers are as they must be."""
    state = rest.administration
    state.workers = [("ann", json.dumps({"email": "ann@example.com"})), ("Ben", "no JSON")]
    form = {
        "Description": ["d"],
        "SinkType": ["kinesis"],
        "SinkConfiguration": [json.dumps(SINK)],
    }
    sink = state.streams.create_sink(form)
    sink.status = "active"
    types = [json.dumps({"type": name, "schema_version": 1}) for name in WANTED_TYPES]
    state.streams.subscribe({"Description": ["d"], "SinkSid": [sink.sid], "Types": types})


ACCOUNT_CHECKS = (
    "account", "auth-token", "api-rights", "sink", "subscription", "event-alerts", "media-alerts",
    "clocks",
)  # fmt: skip


def _sink_failed(rest: TwilioRest) -> None:
    next(iter(rest.administration.streams.sinks.values())).status = "failed"


def _type_missing(rest: TwilioRest) -> None:
    del next(iter(rest.administration.streams.subscriptions.values())).types[WANTED_TYPES[3]]


def _no_subscription(rest: TwilioRest) -> None:
    rest.administration.streams.subscriptions.clear()


def _no_sink(rest: TwilioRest) -> None:
    rest.administration.streams.subscriptions.clear()
    rest.administration.streams.sinks.clear()


def _event_alert(rest: TwilioRest) -> None:
    rest.administration.alert(91303, "dropped", datetime.now(UTC))


def _media_alert(rest: TwilioRest) -> None:
    rest.administration.alert(31920, "no 101", datetime.now(UTC))


def _bad_region(rest: TwilioRest) -> None:
    rest.administration.alert(93104, "bad ARN or region", datetime.now(UTC))


def _no_right(rest: TwilioRest) -> None:
    rest.administration.denied.add("taskrouter")


FAULTS: list[tuple[Any, str]] = [
    (_no_sink, "sink"),
    (_sink_failed, "sink"),
    (_no_subscription, "subscription"),
    (_type_missing, "subscription"),
    (_event_alert, "event-alerts"),
    (_bad_region, "event-alerts"),
    (_media_alert, "media-alerts"),
    (_no_right, "api-rights"),
]


async def _of_account(rest: TwilioRest, **changes: Any) -> list[CheckResult]:
    settings = settings_of(rest, **changes)
    found = await account_facts(settings, CREDENTIALS.account_sid, settings.rest_credentials or KEY)
    return results(Facts(round(time.time() * 1000), found, KinesisFacts("flex-events", STREAM)))


async def test_a_healthy_account() -> None:
    """All checks of the account are ok; workers are listed with their words."""
    async with account() as rest:
        _healthy(rest)
        assert {} == _not_ok(await _of_account(rest), *ACCOUNT_CHECKS)
        found = await account_facts(settings_of(rest), CREDENTIALS.account_sid, KEY)
    assert not isinstance(found.workers, CheckTrouble)
    assert [
        {"worker:ann", "ann", "ann@example.com", "worker:ann@example.com"},
        {"worker:ben", "ben"},
    ] == [{word for word in worker.words if not word.startswith("wk")} for worker in found.workers]


@pytest.mark.parametrize(("plant", "name"), FAULTS)
async def test_faults_of_the_account(plant: Any, name: str) -> None:
    """Each is found over HTTP, and is the only failure."""
    async with account() as rest:
        _healthy(rest)
        plant(rest)
        found = _not_ok(await _of_account(rest), *ACCOUNT_CHECKS)
    assert [name] == [each for each, status in found.items() if status is CheckStatus.FAILURE]


@pytest.mark.parametrize("seconds", [-90, 90])
async def test_a_wrong_clock(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the times in Twilio's answers."""
    right = asking_account.machine_clock
    async with account() as rest:
        _healthy(rest)
        monkeypatch.setattr(asking_account, "machine_clock", lambda: right() + seconds * 1000)
        found = _not_ok(await _of_account(rest), "clocks")
    assert {"clocks": CheckStatus.FAILURE} == found


async def test_wrong_credentials() -> None:
    """A wrong token is a failure of the account; with an API key, of the token alone."""
    async with account() as rest:
        wrong = await _of_account(rest, twilio_auth_token=SecretStr("wrong"))
        assert CheckStatus.FAILURE is _not_ok(wrong, "account")["account"]
        settings = settings_of(rest, twilio_auth_token=SecretStr("wrong"))
        found = await account_facts(settings, CREDENTIALS.account_sid, KEY)
    assert None is found.rest
    assert found.auth_token is not None
    assert 401 == found.auth_token.status


async def test_an_account_that_does_not_answer() -> None:
    """The cause is in the detail, and other checks say that they were not made."""
    async with account() as rest:
        settings = settings_of(rest)
    found = await account_facts(settings, CREDENTIALS.account_sid, KEY)
    assert isinstance(found, AccountFacts)
    assert found.rest is not None
    assert 0 == found.rest.status


@pytest.mark.parametrize("path", ["/Events", "/Recordings.json"])
async def test_lists_of_calls_that_cannot_be_read(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them, no call is compared or recovered: `api-rights` fails, and nothing else."""
    get = AdminApi.get

    async def denied(self: AdminApi, url: str, query: Any = None) -> Any:
        if url.endswith(path):
            raise TwilioError(403, 20403, "Forbidden")
        return await get(self, url, query)

    monkeypatch.setattr(AdminApi, "get", denied)
    async with account() as rest:
        _healthy(rest)
        found = _not_ok(await _of_account(rest), *ACCOUNT_CHECKS)
    assert {"api-rights": CheckStatus.FAILURE} == found
