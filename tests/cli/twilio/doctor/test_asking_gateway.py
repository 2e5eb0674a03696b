"""How doctor fetches the facts of a gateway behind TLS."""

import asyncio
import ssl
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from cli.twilio.doctor import asking_gateway
from cli.twilio.doctor.asking_gateway import gateway_facts
from cli.twilio.doctor.checks import results
from cli.twilio.doctor.facts import Facts
from gateway.admission.admission import Admission, Entrance, UsedTickets
from pipeline.check_results import CheckResult, CheckStatus
from pipeline.recovery.wanted import CaptureMode
from pipeline.runtime.settings import Settings
from tests.cli.twilio.accounts import CREDENTIALS

TOKEN = CREDENTIALS.auth_token


def _not_ok(found: list[CheckResult], *names: str) -> dict[str, CheckStatus]:
    """The status of those of the named checks that are not ok."""
    return {e.name: e.status for e in found if e.name in names and e.status is not CheckStatus.OK}


def _certificate(directory: Path, host: str = "127.0.0.1", days: float = 60) -> ssl.SSLContext:
    """A context with a certificate that signs itself; `ca.pem` is the authority to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (directory / "ca.pem").write_bytes(built.public_bytes(pem))
    (directory / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "ca.pem", directory / "key.pem")
    return context


@asynccontextmanager
async def _gateway(
    context: ssl.SSLContext | None,
    *,
    token: str = TOKEN,
    status: int = 0,
    opens: bool = False,
    redirects: str = "",
    without: str = "",
) -> AsyncIterator[str]:
    """A gateway's admission behind a port. `status`: the answer to every handshake; `opens`: takes
    every handshake; `redirects`: to this URL; `without`: behind a proxy that removes this header
    of requests and of answers."""
    entrance: list[Entrance] = []

    def judged(connection: ServerConnection, request: Request) -> Response | None:
        if redirects:
            answer = connection.respond(HTTPStatus.PERMANENT_REDIRECT, "")
            answer.headers["Location"] = redirects
            return answer
        if status:
            return connection.respond(HTTPStatus(status), "")
        given = request.headers.get_all("X-Twilio-Signature")
        if opens or isinstance(entrance[0].judge(request.path, given), Admission):
            return None
        return connection.respond(HTTPStatus.FORBIDDEN, "")

    async def wait_closed(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(wait_closed, "127.0.0.1", 0, ssl=context, process_request=judged) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with _proxy(port, without) as seen:
            url = f"{'ws' if context is None else 'wss'}://127.0.0.1:{seen}/media"
            entrance.append(
                Entrance([token], url, UsedTickets(None), ticket_secrets=[token], clock=time.time)
            )
            yield url


@asynccontextmanager
async def _proxy(port: int, without: str) -> AsyncIterator[int]:
    """A proxy before the port that removes a header; the port itself if none is removed."""
    if not without:
        yield port
        return

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        writer.write(b"\r\n".join(n for n in lines if not n.lower().startswith(named)))
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(passed(reader, there[1]))
                tasks.create_task(passed(there[0], writer))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            there[1].close()

    named = without.lower().encode() + b":"
    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


GATEWAY_CHECKS = (
    "gateway-dns", "gateway-tls", "gateway-certificate", "load-balancer", "signature-required",
    "signed-handshake",
)  # fmt: skip


async def _of_gateway(url: str) -> dict[str, CheckStatus]:
    settings = Settings(
        twilio_account_sid=CREDENTIALS.account_sid,
        twilio_auth_token=SecretStr(TOKEN),
        gateway_public_url=url,
    )
    found = await gateway_facts(settings, time.time())
    return _not_ok(results(Facts(round(time.time() * 1000), gateway=found)), *GATEWAY_CHECKS)


def _failures(found: dict[str, CheckStatus]) -> list[str]:
    return [name for name, status in found.items() if status is CheckStatus.FAILURE]


@pytest.fixture
def _trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


@pytest.mark.usefixtures("_trusted")
async def test_a_gateway_behind_tls(tmp_path: Path) -> None:
    """A good certificate, 403 without a signature, 101 with one."""
    async with _gateway(_certificate(tmp_path)) as url:
        assert {} == await _of_gateway(url)


async def test_a_gateway_on_loopback() -> None:
    """`ws://` is accepted for tests."""
    async with _gateway(None) as url:
        assert {} == await _of_gateway(url)


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize(("host", "days"), [("127.0.0.1", -1), ("192.0.2.1", 60)])
async def test_wrong_certificates(tmp_path: Path, host: str, days: float) -> None:
    """Expired, or of another host."""
    async with _gateway(_certificate(tmp_path, host, days)) as url:
        assert ["gateway-certificate"] == _failures(await _of_gateway(url))


async def test_an_untrusted_certificate(tmp_path: Path) -> None:
    """One that no authority has issued."""
    async with _gateway(_certificate(tmp_path)) as url:
        assert ["gateway-certificate"] == _failures(await _of_gateway(url))


@pytest.mark.usefixtures("_trusted")
async def test_a_certificate_that_expires_soon(tmp_path: Path) -> None:
    """A warning."""
    async with _gateway(_certificate(tmp_path, days=5)) as url:
        assert {"gateway-certificate": CheckStatus.WARNING} == await _of_gateway(url)


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ({"status": 200}, "load-balancer"),
        ({"status": 404}, "load-balancer"),
        ({"status": 502}, "load-balancer"),
        ({"status": 503}, "load-balancer"),
        ({"without": "Upgrade"}, "signed-handshake"),
        ({"without": "Sec-WebSocket-Key"}, "signed-handshake"),
        ({"without": "Sec-WebSocket-Accept"}, "signed-handshake"),
        ({"without": "X-Twilio-Signature"}, "signed-handshake"),
        ({"token": "another token"}, "signed-handshake"),
        ({"opens": True}, "signature-required"),
    ],
)
async def test_wrong_gateways(how: dict[str, Any], name: str) -> None:
    """No gateway behind the balancer, a proxy that removes a header, another token, and one that
    takes everything."""
    async with _gateway(None, **how) as url:
        assert [name] == _failures(await _of_gateway(url))


async def test_a_redirection_is_not_followed() -> None:
    """Twilio follows none, although the gateway is fine at the end of it."""
    async with _gateway(None) as fine, _gateway(None, redirects=fine) as url:
        assert {} == await _of_gateway(fine)
        assert ["load-balancer"] == _failures(await _of_gateway(url))


async def test_an_old_version_of_tls(tmp_path: Path) -> None:
    """The load balancer knows nothing later than TLS 1.1."""
    context = _certificate(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with _gateway(context) as url:
        assert ["gateway-tls"] == _failures(await _of_gateway(url))


async def test_without_a_public_url() -> None:
    """A failure, unless calls are captured after their end."""
    for capture in CaptureMode:
        found = await gateway_facts(Settings(capture=capture), time.time())
        outcome = _not_ok(results(Facts(1, gateway=found)), *GATEWAY_CHECKS)
        assert _failures(outcome) == ([] if capture is CaptureMode.POST_CALL else ["gateway-dns"])


async def test_nothing_at_the_public_url() -> None:
    """No address; nothing that listens."""
    assert ["gateway-dns"] == _failures(await _of_gateway("wss://nowhere.invalid/media"))
    async with _gateway(None) as url:
        pass
    assert ["load-balancer"] == _failures(await _of_gateway(url))
    assert ["gateway-tls"] == _failures(await _of_gateway(url.replace("ws:", "wss:")))


async def test_a_silent_peer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that accepts and says nothing costs a limited time."""
    monkeypatch.setattr(asking_gateway, "STEP_S", 1.0)
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await _of_gateway(f"ws://127.0.0.1:{port}/media")
    assert ["load-balancer"] == _failures(found)
