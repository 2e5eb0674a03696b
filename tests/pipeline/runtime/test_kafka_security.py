"""How Kafka is connected to: certificates, passphrases, tokens."""

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from pipeline.runtime.kafka_security import client_arguments
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
