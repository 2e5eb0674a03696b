"""How the command asks and refuses, and that it always ends the call."""

import io
from typing import Any

import pytest
from pydantic import SecretStr

from cli.check_call import command
from cli.check_call.command import Asked, CheckCallRefused, explained
from cli.main import main
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.twilio_http import TwilioError
from simulator.placed import OWN_NUMBER
from tests.cli.check_call.played import CREDENTIALS, TO

ASKED = Asked(TO, None, is_agreed=True, in_json=False)


def _settings(**changes: Any) -> Settings:
    own: dict[str, Any] = {
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "twilio_account_sid": CREDENTIALS.account_sid,
        "twilio_auth_token": SecretStr("secret"),
        "gateway_public_url": "ws://127.0.0.1:1/media",
    }
    return Settings(**own | changes)


def test_without_a_terminal_it_must_be_agreed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, before anything is asked of anything."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    asked = Asked(TO, None, is_agreed=False, in_json=False)
    assert 2 == command.run(_settings(), asked)
    assert "--yes" in capsys.readouterr().err


def test_an_unavailable_kafka_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
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
    """With `--yes` there is no question; any answer but yes places no call."""
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
    text = explained(TwilioError(400, 21215, "Account not authorized"))
    assert "400 21215" in text
    assert "Geo permissions" in text
    assert "network" in explained(TwilioError(0, None, "no answer"))


def test_an_unknown_assumption_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """`demo --unlike` lists the names."""
    assert 2 == main(["demo", "--exit", "--unlike", "silence,nonsense"])
    assert "held-customer" in capsys.readouterr().err
