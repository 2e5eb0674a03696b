"""Access control: requests of admitted senders pass, and no others."""

import httpx
import pytest

from tests.console.conftest import TOKEN, Console
from tests.console.visits import AUTHORIZED, COOKIE, signed_in
from tests.pipeline.store.contacts import RECORDING

AUDIO = f"/api/recordings/{RECORDING.recording_id}/audio"


@pytest.mark.parametrize(
    "path", ["/api/contacts", "/api/calls", "/api/nothing", "/api/recordings/1", AUDIO, "/api"]
)
@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", "Bearer ", "Basic YTpi", f"Bearer {TOKEN[:-1]}\xe9"]
)
async def test_nothing_without_the_token(
    visitor: httpx.AsyncClient, path: str, authorization: str | None
) -> None:
    """401 and an error in JSON, whether the path exists or not."""
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = await visitor.get(path, headers=headers)
    assert 401 == answer.status_code
    assert "error" in answer.json()


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


async def test_polling_is_no_activity(visitor: httpx.AsyncClient, console: Console) -> None:
    """An unattended page of calls in progress does not keep the session."""
    await signed_in(visitor)
    for _ in range(29):
        console.clock.now += 60_000
        assert 200 == (await visitor.get("/api/calls")).status_code
        assert 200 == (await visitor.get("/healthz")).status_code
    console.clock.now += 60_000
    assert 401 == (await visitor.get("/api/calls")).status_code


async def test_metrics_need_the_token(visitor: httpx.AsyncClient) -> None:
    """401 without it; Prometheus text with it."""
    assert 401 == (await visitor.get("/metrics")).status_code
    answer = await visitor.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert 200 == answer.status_code
    assert "python_info" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("TRACE", "/", {}, 405),
        ("CONNECT", "/sign-in", {}, 405),
        ("GET", "/", {"Host": "evil/path"}, 400),
        ("GET", "/", {"Host": ""}, 400),
        ("GET", "/contacts/%00", {}, 404),
    ],
)
async def test_requests_that_no_page_takes_are_refused_before_the_sender_is_known(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """With the token and without it."""
    assert status == (await client.request(method, path, headers=headers)).status_code
    client.headers.pop("Authorization")
    assert status == (await client.request(method, path, headers=headers)).status_code


@pytest.mark.parametrize("path", ["/sign-in", "/static/console.css", "/healthz"])
async def test_some_paths_are_open(visitor: httpx.AsyncClient, path: str) -> None:
    """For every visitor, also with a cookie that is no longer valid."""
    visitor.cookies.set(COOKIE, "expired")
    assert 200 == (await visitor.get(path)).status_code


async def test_the_token_is_not_asked_for_its_origin(client: httpx.AsyncClient) -> None:
    """Browsers do not send it by themselves: only requests with a cookie are checked."""
    headers = {"Origin": "https://evil.example"}
    assert 404 == (await client.delete("/api/sessions/x", headers=headers)).status_code
    await signed_in(client)
    client.headers.pop("Authorization")
    assert 403 == (await client.delete("/api/sessions/x", headers=headers)).status_code


async def test_a_wrong_token_is_refused_although_the_cookie_is_right(
    visitor: httpx.AsyncClient,
) -> None:
    """The token is the one that the sender means."""
    await signed_in(visitor)
    wrong = {"Authorization": "Bearer wrong"}
    answer = await visitor.get("/api/calls", headers=wrong)
    assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"][:6])
    assert 200 == (await visitor.get("/api/calls", headers=AUTHORIZED)).status_code
