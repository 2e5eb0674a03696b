"""How Kafka is connected to: certificates, passphrases, tokens."""

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from aiokafka.conn import AbstractTokenProvider, create_conn
from aiokafka.errors import KafkaError

from pipeline.runtime.kafka_security import client_arguments
from pipeline.runtime.kafka_tokens import TokenProvider
from pipeline.runtime.settings import Settings, SettingsError, load


def _certificate(directory: Path, host: str, passphrase: str = "") -> tuple[Path, Path]:
    """A certificate for the host, signed by itself, and its key."""
    certificate, key = directory / f"{host}.pem", directory / f"{host}.key"
    protection = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "2", "-subj", f"/CN={host}",
         "-addext", f"subjectAltName=DNS:{host}", *protection,
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def _settings(**kafka: object) -> Settings:
    named = {f"kafka_{name}": value for name, value in kafka.items()}
    return load(None, kafka_bootstrap_servers="localhost:9093", **named)


@pytest.mark.parametrize(("host", "is_taken"), [("localhost", True), ("kafka.example.com", False)])
async def test_a_broker_needs_a_certificate_for_its_own_name(
    host: str, is_taken: bool, tmp_path: Path
) -> None:
    """A certificate of the right authority that was made for another host is refused."""
    certificate, key = _certificate(tmp_path, host)
    arguments = client_arguments(_settings(security_protocol="SSL", ssl_cafile=certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with await asyncio.start_server(_hang_up, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        tls = {"ssl_context": arguments["ssl_context"], "security_protocol": "SSL"}
        with pytest.raises((ssl.SSLCertVerificationError, KafkaError)) as ended:
            await create_conn("localhost", port, **tls)

    assert is_taken == ("verify failed" not in str(ended.value))


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A broker that takes the connection, and says nothing."""
    writer.close()


def test_a_clients_key_may_have_a_passphrase(tmp_path: Path) -> None:
    """With the right one it is loaded; without it the setting is named, and nothing is asked on the
    terminal."""
    certificate, key = _certificate(tmp_path, "client", "open sesame")
    files = {"security_protocol": "SSL", "ssl_certfile": certificate, "ssl_keyfile": key}

    assert client_arguments(_settings(**files, ssl_key_password="open sesame"))["ssl_context"]
    for wrong in (None, "another"):
        with pytest.raises(SettingsError, match="FLEXCAPTURE_KAFKA_SSL_KEY_PASSWORD") as refused:
            client_arguments(_settings(**files, ssl_key_password=wrong))
        assert "another" not in str(refused.value)


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
