"""Signing in and out."""

import httpx
import pytest

from tests.console.conftest import TOKEN
from tests.console.visits import signed_in


async def test_signing_in_and_out(visitor: httpx.AsyncClient) -> None:
    """The token gives a cookie that opens pages and API; signing out ends it on the server."""
    answer = await signed_in(visitor)
    assert (303, "/search") == (answer.status_code, answer.headers["location"])
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    assert 200 == (await visitor.get("/search")).status_code
    assert 200 == (await visitor.get("/api/contacts")).status_code
    kept = dict(visitor.cookies)
    out = await visitor.post("/sign-out")
    assert (303, "/sign-in") == (out.status_code, out.headers["location"])
    assert '"cookies"' in out.headers["clear-site-data"]
    assert not visitor.cookies
    assert 303 == (await visitor.get("/search")).status_code
    visitor.cookies.update(kept)
    assert 401 == (await visitor.get("/api/contacts")).status_code


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "Ünïcödé"])
async def test_a_wrong_token_gives_no_cookie(visitor: httpx.AsyncClient, token: str) -> None:
    """403 and the form again."""
    answer = await visitor.post("/sign-in", data={"token": token})
    assert 403 == answer.status_code
    assert "set-cookie" not in answer.headers
    assert "Wrong token" in answer.text


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "evil",
        "/a\tb",
        "//[",
        "/\u2028",
    ],
)
async def test_signing_in_leads_nowhere_else(visitor: httpx.AsyncClient, wanted: str) -> None:
    """A `next` that is not a path of this site leads to the first page."""
    answer = await visitor.post("/sign-in", params={"next": wanted}, data={"token": TOKEN})
    assert (303, "/") == (answer.status_code, answer.headers["location"])
