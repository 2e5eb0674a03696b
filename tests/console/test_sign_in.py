"""Signing in and out."""

import httpx
import pytest

from tests.console.conftest import TOKEN
from tests.console.visits import COOKIE, signed_in


@pytest.mark.parametrize(
    ("path", "sent_to"),
    [
        ("/", "/sign-in"),
        ("/search?q=a+b", "/sign-in?next=%2Fsearch%3Fq%3Da%2Bb"),
        ("/nothing", "/sign-in?next=%2Fnothing"),
        ("//evil.example", "/sign-in"),
    ],
)
async def test_a_stranger_is_sent_to_sign_in(
    visitor: httpx.AsyncClient, path: str, sent_to: str
) -> None:
    """Every page leads there, and back afterwards."""
    answer = await visitor.get(path)
    assert (303, sent_to) == (answer.status_code, answer.headers["location"])


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


@pytest.mark.parametrize("change", ["x", "", "administrator"])
async def test_a_forged_cookie_opens_nothing(visitor: httpx.AsyncClient, change: str) -> None:
    """Only what the console gave counts."""
    await signed_in(visitor)
    value = visitor.cookies[COOKIE]
    visitor.cookies.clear()
    forged = change + value if change == "x" else change
    answer = await visitor.get("/api/contacts", headers={"Cookie": f"{COOKIE}={forged}"})
    assert 401 == answer.status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://console.test.evil.example"},
    ],
)
async def test_forms_of_other_sites_are_refused(
    visitor: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    """Neither signing in nor out works from elsewhere."""
    data = {"token": TOKEN}
    assert 403 == (await visitor.post("/sign-in", data=data, headers=headers)).status_code
    await signed_in(visitor)
    assert 403 == (await visitor.post("/sign-out", headers=headers)).status_code


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
    """A `next` that is no path of ours leads to the first page."""
    answer = await visitor.post("/sign-in", params={"next": wanted}, data={"token": TOKEN})
    assert (303, "/") == (answer.status_code, answer.headers["location"])


async def test_over_https_only_the_host_cookie_counts(visitor: httpx.AsyncClient) -> None:
    """`__Host-`, `Secure`, for every path and no domain; a cookie of plain http opens nothing."""
    answer = await visitor.post("https://console.test/sign-in", data={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "domain" not in cookie.lower()
    assert 200 == (await visitor.get("https://console.test/api/calls")).status_code
    value = visitor.cookies[f"__Host-{COOKIE}"]
    visitor.cookies.clear()
    plain = {"Cookie": f"{COOKIE}={value}"}
    assert 401 == (await visitor.get("https://console.test/api/calls", headers=plain)).status_code


@pytest.mark.parametrize("path", ["/sign-in", "/api/calls", "/nothing", "/static/console.css"])
async def test_https_is_insisted_on_over_https_alone(visitor: httpx.AsyncClient, path: str) -> None:
    """HSTS on every answer over https, on none over http."""
    secure = await visitor.get(f"https://console.test{path}")
    assert "max-age=63072000" in secure.headers["strict-transport-security"]
    assert "strict-transport-security" not in (await visitor.get(path)).headers
