"""Tokens for Kafka."""

import sys
from types import ModuleType

import pytest
from aiokafka.conn import AbstractTokenProvider

from pipeline.runtime.kafka_security import client_arguments
from pipeline.runtime.kafka_tokens import TokenProvider
from pipeline.runtime.settings import Settings, SettingsError, load


def _settings(**kafka: object) -> Settings:
    named = {f"kafka_{name}": value for name, value in kafka.items()}
    return load(None, kafka_bootstrap_servers="localhost:9093", **named)


MSK = "aws_msk_iam_sasl_signer.MSKAuthTokenProvider"
OAUTH = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}


async def test_tokens_come_from_a_named_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka gets a provider that calls the function, and nothing else to log in with."""
    module = ModuleType("our_tokens")
    module.token = lambda: "a token"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "our_tokens", module)
    arguments = client_arguments(_settings(**OAUTH, sasl_token_provider="our_tokens:token"))
    provider = arguments["sasl_oauth_token_provider"]

    assert isinstance(provider, AbstractTokenProvider)
    assert "a token" == await provider.token()
    assert "OAUTHBEARER" == arguments["sasl_mechanism"]
    assert "sasl_plain_password" not in arguments


async def test_msk_signs_for_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signer gets the AWS region; its token is kept until a minute before it expires."""
    asked: list[str] = []

    def generate_auth_token(region: str) -> tuple[str, int]:
        asked.append(region)
        return f"token {len(asked)}", 900_000

    module = ModuleType(MSK)
    module.generate_auth_token = generate_auth_token  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MSK.partition(".")[0], ModuleType("package"))
    monkeypatch.setitem(sys.modules, MSK, module)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    arguments = client_arguments(_settings(**OAUTH, sasl_token_provider="msk-iam"))
    now = 0.0
    provider = TokenProvider(arguments["sasl_oauth_token_provider"]._fetch, lambda: now)

    assert ["token 1"] * 2 == [await provider.token() for _ in range(2)]
    now = 839.0
    assert "token 1" == await provider.token()
    now = 840.0
    assert "token 2" == await provider.token()
    assert ["eu-central-1"] * 2 == asked


def test_msk_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said at the start."""
    monkeypatch.setitem(sys.modules, MSK, None)
    with pytest.raises(SettingsError, match=r"TOKEN_PROVIDER: .*flexcapture\[msk\]"):
        client_arguments(_settings(**OAUTH, sasl_token_provider="msk-iam"))
