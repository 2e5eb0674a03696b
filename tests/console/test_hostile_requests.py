"""A stranger's bytes against a real server: nothing gets a 500, and every answer is safe."""

import asyncio
import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from console import body, wrong_tokens
from console.app import make_app
from console.safety import SAFETY_HEADERS
from infra.ports import chosen
from pipeline.runtime import http_server
from pipeline.runtime.http_connections import MAX_CONNECTIONS_OF_ADDRESS
from pipeline.runtime.http_server import serving
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore
from pipeline.store.database import open_database
from tests.console.conftest import TOKEN

PROXY = "127.0.0.2"
FORM = b"application/x-www-form-urlencoded"
_SENDABLE = st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc"])
WORDS = st.text(_SENDABLE, max_size=20).map(lambda text: text.encode("latin-1")) | st.sampled_from(
    [b"", b"*", b"[", b"//[", b"http://[", b"http://[::1", b"null", b"utf-8", b"punycode", b"%00",
     b"%ff%fe", b"bytes=0-", b"bytes=-", b'W/"x"', b"9" * 40, b"-1", b"0x10", b"\xff\xfe", b"../.."]
)  # fmt: skip
PATHS = st.sampled_from(
    [b"/", b"/search", b"/contacts/x", b"/unmatched", b"/sign-in", b"/sign-out", b"/sessions",
     b"/sessions/x/end", b"/audit", b"/healthz", b"/metrics", b"/static/console.css", b"/static/",
     b"/static", b"/api", b"/api/contacts", b"/api/contacts/", b"/api/contacts/x", b"/api/calls",
     b"/api/recordings", b"/api/recordings/x/audio", b"/api/sessions", b"/api/sessions/x",
     b"/api/audit", b"//[", b"*", b"http://[/"]
)  # fmt: skip
NAMES = st.sampled_from(
    [b"Host", b"Origin", b"Cookie", b"Range", b"If-Range", b"If-None-Match", b"If-Modified-Since",
     b"Accept-Encoding", b"Sec-Fetch-Site", b"Sec-Fetch-Dest", b"X-Forwarded-For", b"Expect",
     b"X-Forwarded-Proto", b"X-Forwarded-Host", b"User-Agent", b"Content-Encoding", b"Upgrade",
     b"Content-Length", b"Transfer-Encoding", b"Authorization", b"Content-Type"]
)  # fmt: skip
METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"X"])
TYPES = st.sampled_from(
    [FORM, FORM + b"; charset=punycode", FORM + b"; charset=utf-7", FORM + b";charset=UTF-8",
     FORM + b"; charset=\xff", b"multipart/form-data; boundary=x", b"multipart/form-data",
     b"application/json", b"", b";"]
)  # fmt: skip
BODIES = st.binary(max_size=60) | st.sampled_from(
    [b"token=%ff&token=" + b"x" * 9, b"--x\r\n\r\n--x--", b"&" * 4000, b"x" * 5000, b"token=%u0000"]
)
BEARER = b"Authorization: Bearer " + TOKEN.encode()
CREDENTIALS = st.sampled_from([b"", BEARER, BEARER, BEARER, b"Authorization: Bearer \xff"])
PARAMETERS = st.sampled_from(
    [b"next", b"q", b"agent", b"from", b"to", b"limit", b"cursor", b"capture", b"unmatched", b"x"]
)


@pytest.fixture(scope="module")
def server(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The console on a port, in a thread of its own."""
    directory = tmp_path_factory.mktemp("console")
    shutil.copy(migrated, directory / "contacts.db")
    engine = open_database(f"sqlite:///{directory}/contacts.db")
    app = make_app(engine, AudioStore.from_url(f"file://{directory}/audio"), Health(), [TOKEN])
    port = chosen(["console"], {}, [])["console"]
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        listen = f"127.0.0.1:{port}"
        async with serving(listen, app, trusted_proxies=[PROXY], error_headers=SAFETY_HEADERS):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrong_tokens, "FIRST_DELAY_S", 0.0)
        patch.setattr(body, "TIMEOUT_S", 0.1)
        thread.start()
        ready.wait()
        yield "127.0.0.1", port
        loop.call_soon_threadsafe(stop.set)
        thread.join()
    engine.dispose()


def answers(server: tuple[str, int], request: bytes, patience_s: float = 20) -> list[bytes]:
    """The head of each answer to the bytes of a request, until the server closes the connection."""
    received = b""
    with (
        socket.create_connection(server, timeout=patience_s) as connection,
        contextlib.suppress(TimeoutError, ConnectionError),
    ):
        connection.sendall(request)
        while piece := connection.recv(65536):
            received += piece
    heads = received.split(b"HTTP/1.1 ")[1:]
    return [head.split(b"\r\n\r\n")[0] for head in heads]


def assert_safe(heads: list[bytes]) -> None:
    """No 500; the safety headers; no `Server`."""
    for head in heads:
        status, *lines = head.split(b"\r\n")
        assert not status.startswith((b"500", b"501")), head
        names = {line.split(b":")[0].lower() for line in lines}
        if not status.startswith(b"100"):
            assert {name.lower().encode() for name in SAFETY_HEADERS} <= names, head
        assert b"server" not in names


@dataclass(frozen=True, slots=True)
class Sent:
    """A request, in bytes."""

    method: bytes
    path: bytes
    query: list[tuple[bytes, bytes]] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    kind: bytes = FORM
    content: bytes = b""
    credentials: bytes = b""
    is_chunked: bool = False

    def encoded(self) -> bytes:
        """Head and body, with the headers that a request must have unless it has them."""
        lines = [name + b": " + value for name, value in self.headers] + [self.credentials]
        if all(name != b"Host" for name, _ in self.headers):
            lines.append(b"Host: console.test")
        content = self.content
        if content:
            size = b"%d" % len(content)
            lines.append(b"Content-Type: " + self.kind)
            lines.append(
                b"Transfer-Encoding: chunked" if self.is_chunked else b"Content-Length: " + size
            )
        if content and self.is_chunked:
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        target = self.path + (b"?" if self.query else b"")
        target += b"&".join(b"=".join(pair) for pair in self.query)
        lines = [b"%b %b HTTP/1.1" % (self.method, target), *filter(None, lines)]
        return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + content


SENT = st.builds(
    Sent, METHODS, PATHS, st.lists(st.tuples(PARAMETERS, WORDS), max_size=3),
    st.lists(st.tuples(NAMES, WORDS), max_size=4), TYPES, BODIES, CREDENTIALS, st.booleans(),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(SENT)
@example(Sent(b"GET", b"/sign-in", [(b"next", b"//[")]))
@example(Sent(b"POST", b"/sign-in", [(b"next", b"//[")], content=b"token=" + TOKEN.encode()))
@example(Sent(b"POST", b"/sign-in", headers=[(b"Origin", b"http://[")], content=b"token=x"))
@example(Sent(b"POST", b"/sign-in", kind=FORM + b"; charset=punycode", content=b"token=x"))
@example(Sent(b"GET", b"/api/contacts/", headers=[(b"Host", b"[")], credentials=BEARER))
@example(Sent(b"GET", b"/search", headers=[(b"Host", b"http://[")]))
@example(Sent(b"GET", b"/\xff"))
@example(Sent(b"GET", b"/api/contacts/%00%ff", credentials=BEARER))
def test_no_request_gets_a_500(server: tuple[str, int], sent: Sent) -> None:
    """Methods, paths, parameters, headers, bodies: each answer is one that was meant."""
    heads = answers(server, sent.encoded())
    assert heads
    assert_safe(heads)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_get_a_500(server: tuple[str, int], request: bytes) -> None:
    """Bytes that are not a request are answered with 400 and the same headers, or not at all."""
    assert_safe(answers(server, request + b"\r\n\r\n", patience_s=0.1))


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        (FORM, b"token=" + b"x" * 4090, 403),
        (FORM, b"token=" + b"x" * 4091, 413),
        (FORM + b"; charset=punycode", b"token=x", 415),
        (FORM + b"; charset=UTF-8", b"token=x", 403),
        (b"multipart/form-data; boundary=x", b"--x--", 415),
        (b"multipart/form-data; boundary=x", b"x" * 700_000, 413),
        (b"application/json", b"{}", 415),
        (b"", b"token=x", 415),
        (FORM, b"&" * 4000, 403),
    ],
)
@pytest.mark.parametrize("is_chunked", [True, False])
def test_bodies_are_small_forms(
    server: tuple[str, int], kind: bytes, content: bytes, status: int, is_chunked: bool
) -> None:
    """413 for one that is too large, 415 for one that is no urlencoded form in UTF-8."""
    url = f"http://{server[0]}:{server[1]}/sign-in"
    headers = {"Content-Type": kind}
    sent = iter([content[:2000], content[2000:]]) if is_chunked else content
    answer = httpx.post(url, content=sent, headers=headers, trust_env=False)
    expected = 415 if is_chunked and status == 413 and kind != FORM else status
    assert expected == answer.status_code


def test_a_body_that_does_not_come_is_not_waited_for(server: tuple[str, int]) -> None:
    """408 after a while."""
    request = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\nContent-Length: 9\r\n\r\n"
    with socket.create_connection(server, timeout=20) as connection:
        connection.sendall(request % FORM)
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_a_large_body_is_refused_before_it_is_sent(server: tuple[str, int]) -> None:
    """The length is enough."""
    request = (
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 99999999999\r\n\r\n"
    )
    with socket.create_connection(server, timeout=20) as connection:
        connection.sendall(request)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(("source", "is_trusted"), [("127.0.0.1", False), (PROXY, True)])
def test_forwarded_headers_count_from_trusted_proxies_alone(
    server: tuple[str, int], source: str, is_trusted: bool
) -> None:
    """For any other client, scheme and address are those of the connection."""
    transport = httpx.HTTPTransport(local_address=source)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "evil, 203.0.113.9"}
    base = f"http://{server[0]}:{server[1]}"
    with httpx.Client(transport=transport, base_url=base, headers=headers) as client:
        answer = client.post("/sign-in", data={"token": TOKEN})
        assert 303 == answer.status_code
        assert is_trusted == ("strict-transport-security" in answer.headers)
        assert is_trusted == answer.headers["set-cookie"].startswith("__Host-")
        authorized = {"Authorization": f"Bearer {TOKEN}"}
        entry = client.get("/api/audit?limit=1", headers=authorized).json()["entries"][0]
        assert ("203.0.113.9" if is_trusted else source) == entry["address"]


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("garbage", PROXY),
        ('"><script>', PROXY),
        ("203.0.113.9, garbage", PROXY),
        ("fe80::1%<script>", PROXY),
        ("203.0.113.999", PROXY),
        ("203.0.113.9:x", PROXY),
        ("", PROXY),
        ("unknown,", PROXY),
        ("garbage ,203.0.113.9,", PROXY),
        ("garbage ,  203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:DB8:0::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        (f"garbage, 203.0.113.9, {PROXY}", "203.0.113.9"),
    ],
)
def test_only_ip_addresses_are_taken_from_a_proxy(
    server: tuple[str, int], forwarded: str, expected: str
) -> None:
    """Anything else leaves the address of the proxy itself in the audit table."""
    transport = httpx.HTTPTransport(local_address=PROXY)
    headers = {"X-Forwarded-For": forwarded}
    with httpx.Client(transport=transport, base_url=f"http://{server[0]}:{server[1]}") as client:
        client.post("/sign-in", data={"token": TOKEN}, headers=headers)
        authorized = {"Authorization": f"Bearer {TOKEN}"}
        entry = client.get("/api/audit?limit=1", headers=authorized).json()["entries"][0]
    assert expected == entry["address"]


@pytest.mark.parametrize("credentials", [b"", BEARER])
@pytest.mark.parametrize("method", [b"TRACE", b"TRACK", b"CONNECT", b"PROPFIND", b"get", b"X"])
@pytest.mark.parametrize("path", [b"/", b"/search", b"/api/calls", b"/static/x", b"/nothing", b"*"])
def test_other_methods_are_refused_to_everyone(
    server: tuple[str, int], method: bytes, path: bytes, credentials: bytes
) -> None:
    """405 with the methods that there are, on pages too, with and without a token."""
    [head] = answers(server, Sent(method, path, credentials=credentials).encoded())
    assert head.startswith(b"405"), head
    assert b"\r\nallow: GET, HEAD, POST" in head
    assert_safe([head])


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Head",
        b"GET /sign-in HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHo",
    ],
)
def test_a_head_that_does_not_come_ends_the_connection(
    server: tuple[str, int], begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 408 if a part of it came. The server closes; the test waits for that."""
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)
    heads = _answers_until_closed(server, begun)
    assert_safe(heads)
    whole, last = begun.count(b"\r\n\r\n"), begun.rpartition(b"\r\n\r\n")[2]
    if whole:  # uvicorn's own limit between an answer and the next request ends this one
        assert heads[0].startswith(b"200")
    else:
        assert [b"408 Request Timeout"] * bool(last) == [head.split(b"\r\n")[0] for head in heads]


def test_a_head_that_drips_ends_the_connection(
    server: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is for all of the head; each further byte does not begin it anew. So after an
    answer."""
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.3)
    with socket.create_connection(server, timeout=20) as connection:
        connection.sendall(b"HEAD /sign-in HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        connection.settimeout(0.02)
        for _ in range(500):
            with contextlib.suppress(TimeoutError):
                assert connection.recv(65536).startswith(b"HTTP/1.1 408")
                return
            connection.sendall(b"x")
    pytest.fail("still open")


def test_many_connections_leave_the_console_usable(server: tuple[str, int]) -> None:
    """From the same address: the oldest ones without a request are closed."""
    with contextlib.ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(server, timeout=20))
            for _ in range(MAX_CONNECTIONS_OF_ADDRESS + 30)
        ]
        for connection in idle:
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET / HTTP/1.1\r\n")
        for connection in idle[:30]:
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
        assert 200 == httpx.get(f"http://{server[0]}:{server[1]}/sign-in").status_code


def _answers_until_closed(server: tuple[str, int], request: bytes) -> list[bytes]:
    received = b""
    with socket.create_connection(server, timeout=20) as connection:
        connection.sendall(request)
        while piece := connection.recv(65536):
            received += piece
    return [head.split(b"\r\n\r\n")[0] for head in received.split(b"HTTP/1.1 ")[1:]]
