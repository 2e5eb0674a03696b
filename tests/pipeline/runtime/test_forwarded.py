"""The client's address and scheme behind a trusted proxy."""

from typing import Any

import pytest

from pipeline.runtime.forwarded import ForwardedMiddleware

PROXY = "10.9.0.1"
TRUSTED = ["10.9.0.0/16"]


async def seen(peer: str, **headers: str) -> tuple[Any, str]:
    """Return the client and the scheme that the application sees of a request from `peer`."""
    scopes: list[Any] = []

    async def app(scope: Any, *_: Any) -> None:
        scopes.append(scope)

    raw = [(f"x-forwarded-{n}".encode(), v.encode("latin-1")) for n, v in headers.items()]
    scope = {"type": "http", "client": (peer, 4_711), "scheme": "http", "headers": raw}
    await ForwardedMiddleware(app, TRUSTED)(scope, None, None)  # type: ignore[arg-type]
    (scope,) = scopes
    return scope["client"], scope["scheme"]


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
        (f"203.0.113.9, 10.9.7.7, {PROXY}", "203.0.113.9"),
    ],
)
async def test_only_ip_addresses_are_taken_from_a_proxy(forwarded: str, expected: str) -> None:
    """The client is the last address that is not a trusted proxy. If that is no IP address, it is
    the proxy itself."""
    client, _ = await seen(PROXY, **{"for": forwarded})
    assert expected == client[0]


async def test_the_scheme_is_the_proxy_s() -> None:
    """A proxy that speaks TLS passes on requests without it."""
    assert "https" == (await seen(PROXY, proto="https"))[1]
    assert "http" == (await seen(PROXY))[1]


async def test_other_peers_cannot_set_address_or_scheme() -> None:
    """Address and scheme are those of the connection, port included."""
    seen_of_other = await seen("203.0.113.5", proto="https", **{"for": "198.51.100.1"})
    assert (("203.0.113.5", 4_711), "http") == seen_of_other
