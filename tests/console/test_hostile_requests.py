"""Any bytes against a real server: nothing gets a 500, and every answer is safe."""

import contextlib
import socket
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.console.conftest import TOKEN
from tests.console.raw_requests import FORM, assert_safe

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
