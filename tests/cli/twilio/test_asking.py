"""How doctor fetches its facts: from the simulated Twilio, from a gateway behind TLS, from a
database and a store; and that it changes nothing."""

import asyncio
import json
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
from sqlalchemy import Engine, event, inspect
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from cli.twilio import api as administrative_api
from cli.twilio.doctor import asking_account, asking_gateway
from cli.twilio.doctor.asking import fetched
from cli.twilio.doctor.asking_account import account_facts
from cli.twilio.doctor.asking_gateway import gateway_facts
from cli.twilio.doctor.asking_storage import database_probe, list_facts, store_probe
from cli.twilio.doctor.checks import results
from cli.twilio.doctor.facts import AccountFacts, Facts, KinesisFacts
from cli.twilio.doctor.results import CheckTrouble
from cli.twilio.kinesis import KinesisStream
from gateway.admission.admission import Admission, Entrance, UsedTickets
from pipeline.check_results import CheckResult, CheckStatus
from pipeline.recovery.wanted import CaptureMode
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.database import migrate, open_database
from pipeline.twilio.event_streams import WANTED_TYPES
from simulator.twilio_rest import TwilioRest
from tests.cli.twilio.accounts import CREDENTIALS, SINK, STREAM_ARN, account, settings_of

TOKEN = CREDENTIALS.auth_token
STREAM = KinesisStream(STREAM_ARN, "ACTIVE", 168, 1)
KEY = (CREDENTIALS.account_sid, TOKEN)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administrative_api, "PAUSE_S", (0.01, 0.02))
    monkeypatch.setattr(asking_gateway, "STEP_S", 60.0)  # the machine may be busy


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


@pytest.mark.parametrize("seconds", [-90, 90])
async def test_a_wrong_clock(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the times in Twilio's answers."""
    right = asking_account.machine_clock
    async with account() as rest:
        _healthy(rest)
        monkeypatch.setattr(asking_account, "machine_clock", lambda: right() + seconds * 1000)
        found = _not_ok(await _of_account(rest), "clocks")
    assert ["clocks"] == _failures(found)


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


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_probe_of_the_database(tmp_path: Path) -> None:
    """Nothing of the probe remains; a missing file is not created; a wrong one is a failure."""
    url = f"sqlite:///{tmp_path}/flexcapture.db"
    settings = Settings(database_url=url)
    absent = await fetched(database_probe(settings))
    assert isinstance(absent, CheckTrouble)
    assert "does not exist" in absent.why
    assert set() == _names(tmp_path)
    engine = open_database(url)
    migrate(engine)
    before = inspect(engine).get_table_names()
    assert "sqlite" == await fetched(database_probe(settings))
    assert before == inspect(engine).get_table_names()
    engine.dispose()
    (tmp_path / "text.db").write_text("no database at all, but some text that is long enough")
    wrong = await fetched(database_probe(Settings(database_url=f"sqlite:///{tmp_path}/text.db")))
    assert isinstance(wrong, CheckTrouble)


async def test_an_unreachable_database_is_named_without_its_password() -> None:
    """The text is of one line."""
    url = "postgresql://user:hunter22@127.0.0.1:1/none"
    found = await fetched(database_probe(Settings(database_url=url)))
    assert isinstance(found, CheckTrouble)
    assert "hunter22" not in found.why
    assert "\n" not in found.why


async def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    """It can be read, and that is not enough."""
    url = f"sqlite:///{tmp_path}/flexcapture.db"
    engine = open_database(url)
    migrate(engine)
    engine.dispose()

    def only_read(connection: Any, _: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    event.listen(Engine, "connect", only_read)
    try:
        found = await fetched(database_probe(Settings(database_url=url)))
    finally:
        event.remove(Engine, "connect", only_read)
    assert isinstance(found, CheckTrouble)
    assert "readonly" in found.why


@pytest.mark.parametrize("method", ["put", "get", "delete"])
async def test_a_store_that_lacks_a_right(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To write, to read, or to delete: each is needed."""

    async def denied(*_: object) -> None:
        raise StoreError(f"AccessDenied: {method}")

    monkeypatch.setattr(AudioStore, method, denied)
    found = await fetched(store_probe(Settings(recordings_url=tmp_path.as_uri())))
    assert isinstance(found, CheckTrouble)
    assert f"AccessDenied: {method}" in found.why


async def test_a_store_that_gives_back_other_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a broken mount may."""

    async def other(*_: object) -> bytes:
        return b""

    monkeypatch.setattr(AudioStore, "get", other)
    found = await fetched(store_probe(Settings(recordings_url=tmp_path.as_uri())))
    assert isinstance(found, CheckTrouble)
    assert "something else" in found.why


async def test_probe_of_the_store(tmp_path: Path) -> None:
    """Nothing of the probe remains; a missing directory is not created."""
    settings = Settings(recordings_url=tmp_path.as_uri())
    assert "file" == await fetched(store_probe(settings))
    assert {".partial"} == _names(tmp_path)  # the store's own
    absent = Settings(recordings_url=(tmp_path / "absent").as_uri())
    found = await fetched(store_probe(absent))
    assert isinstance(found, CheckTrouble)
    assert "mounted" in found.why
    assert {".partial"} == _names(tmp_path)  # the store's own


async def test_the_list_is_read_as_it_is(tmp_path: Path) -> None:
    """Entries in normal form, and wrong lines; a missing file has a reason."""
    path = tmp_path / "list"
    path.write_text("ANN@example.com\nnonsense here\n")
    found = await list_facts(Settings(monitored_agents=path))
    assert (("ann@example.com",), 1) == (found.entries, len(found.bad))
    absent = await list_facts(Settings(monitored_agents=tmp_path / "absent"))
    assert "cannot be read" in absent.why
