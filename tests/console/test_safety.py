"""Security headers on every answer."""

from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from console.safety import SAFETY_HEADERS, SafetyMiddleware


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/search",
        "/unmatched",
        "/checks",
        "/sessions",
        "/audit",
        "/sign-in",
        "/static/console.css",
        "/api/calls",
    ],
)
async def test_every_answer_keeps_the_browser_safe(client: httpx.AsyncClient, path: str) -> None:
    """A policy that lets no foreign or inline script or style run, and no framing."""
    answer = await client.get(path)
    assert 200 == answer.status_code
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "nosniff" == answer.headers["x-content-type-options"]


@pytest.mark.parametrize("path", ["/sign-in", "/api/calls", "/nothing", "/static/console.css"])
async def test_https_is_insisted_on_over_https_alone(visitor: httpx.AsyncClient, path: str) -> None:
    """HSTS on every answer over https, on none over http."""
    secure = await visitor.get(f"https://console.test{path}")
    assert "max-age=63072000" in secure.headers["strict-transport-security"]
    assert "strict-transport-security" not in (await visitor.get(path)).headers


async def answer_of(app: ASGIApp, path: str = "/") -> httpx.Response:
    """Return the answer of an application behind the middleware."""
    transport = httpx.ASGITransport(SafetyMiddleware(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("path", "own", "expected"),
    [
        ("/", {}, "no-store"),
        ("/static/console.css", {}, "no-cache"),
        ("/", {"Cache-Control": "private, max-age=60"}, "private, max-age=60"),
    ],
)
async def test_browsers_store_no_answer_unless_it_says_so(
    path: str, own: dict[str, str], expected: str
) -> None:
    """Static files are checked for a new version each time."""
    answer = await answer_of(PlainTextResponse("x", headers=own), path)
    assert [expected] == answer.headers.get_list("cache-control")


async def test_an_application_cannot_weaken_the_policy() -> None:
    """Its own headers of these names are replaced."""
    weak = dict.fromkeys(SAFETY_HEADERS, "weak")
    answer = await answer_of(PlainTextResponse("x", headers=weak))
    for name, value in SAFETY_HEADERS.items():
        assert [value] == answer.headers.get_list(name)


async def test_other_connections_pass_unchanged() -> None:
    """A WebSocket has no headers to add."""
    seen: list[Any] = []

    async def app(scope: Any, *_: Any) -> None:
        seen.append(scope["type"])

    await SafetyMiddleware(app)({"type": "websocket"}, None, None)  # type: ignore[arg-type]
    assert ["websocket"] == seen
