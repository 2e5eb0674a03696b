"""Signing in and out, sessions, and the audit table."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import text

from console import auditing, wrong_tokens
from console.sessions import ABSOLUTE_MS, IDLE_MS
from tests.console.conftest import TOKEN, Console
from tests.pipeline.store.contacts import CONTACT, RECORDING

COOKIE = "flexcapture_session"
AUDIO = f"/api/recordings/{RECORDING.inum}/audio"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


async def signed_in(visitor: httpx.AsyncClient) -> httpx.Response:
    return await visitor.post("/sign-in?next=/search", data={"token": TOKEN})


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


@pytest.fixture
async def other(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """A second browser, without a cookie."""
    transport = httpx.ASGITransport(console.app, client=("10.9.8.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
        yield client


async def audit(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Every entry of the audit table, the oldest first."""
    answer = await client.get("/api/audit", headers=AUTHORIZED)
    return list(reversed(answer.json()["entries"]))


async def test_each_session_has_a_cookie_of_its_own(
    visitor: httpx.AsyncClient, other: httpx.AsyncClient, console: Console
) -> None:
    """Two sign-ins in one millisecond give different cookies, of which the database has neither,
    nor anything that a guess of the token could be checked against."""
    await signed_in(visitor)
    await signed_in(other)
    cookies = [client.cookies[COOKIE] for client in (visitor, other)]
    assert cookies[0] != cookies[1]
    with console.engine.connect() as connection:
        rows = str(connection.execute(text("SELECT * FROM console_sessions")).all())
    assert not [cookie for cookie in cookies if cookie in rows]
    await visitor.post("/sign-out")
    assert 200 == (await other.get("/api/contacts")).status_code


async def test_signing_in_again_ends_the_session_before(
    visitor: httpx.AsyncClient, console: Console
) -> None:
    """The cookie that the browser had opens nothing any more."""
    await signed_in(visitor)
    before = visitor.cookies[COOKIE]
    await signed_in(visitor)
    visitor.cookies.clear()
    answer = await visitor.get("/api/calls", headers={"Cookie": f"{COOKIE}={before}"})
    assert 401 == answer.status_code


async def test_a_session_ends_when_it_is_idle(visitor: httpx.AsyncClient, console: Console) -> None:
    """30 minutes after the last request, of which each begins the time anew."""
    await signed_in(visitor)
    for _ in range(3):
        console.clock.now += IDLE_MS - 60_000
        assert 200 == (await visitor.get("/search")).status_code
    console.clock.now += IDLE_MS
    assert 401 == (await visitor.get("/api/contacts")).status_code


async def test_polling_is_no_activity(visitor: httpx.AsyncClient, console: Console) -> None:
    """An unattended page of calls in progress does not keep the session."""
    await signed_in(visitor)
    for _ in range(29):
        console.clock.now += 60_000
        assert 200 == (await visitor.get("/api/calls")).status_code
        assert 200 == (await visitor.get("/healthz")).status_code
    console.clock.now += 60_000
    assert 401 == (await visitor.get("/api/calls")).status_code


async def test_a_session_ends_after_12_hours(visitor: httpx.AsyncClient, console: Console) -> None:
    """However busy it is."""
    await signed_in(visitor)
    for _ in range(ABSOLUTE_MS // 600_000 - 1):
        console.clock.now += 600_000
        assert 200 == (await visitor.get("/api/contacts?limit=1")).status_code
    console.clock.now += 600_000
    assert 401 == (await visitor.get("/api/contacts")).status_code


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


async def test_sessions_are_listed_and_ended(
    visitor: httpx.AsyncClient, other: httpx.AsyncClient, console: Console
) -> None:
    """Sessions are listed with time, address and browser; an ended session gives no access."""
    await signed_in(visitor)
    console.clock.now += 1_000
    other.headers["User-Agent"] = "Browser <2>"
    await signed_in(other)
    found = (await visitor.get("/api/sessions")).json()["sessions"]
    assert [("10.9.8.7", "Browser <2>", False), ("127.0.0.1", True)] == [
        (found[0]["address"], found[0]["user_agent"], found[0]["current"]),
        (found[1]["address"], found[1]["current"]),
    ]
    assert {"session_id", "started_at", "active_at", "expires_at", "address", "user_agent",
            "current"} == set(found[0])  # fmt: skip
    page = (await visitor.get("/sessions")).text
    assert "Browser &lt;2&gt;" in page
    ended = await visitor.delete(f"/api/sessions/{found[0]['session_id']}")
    assert 204 == ended.status_code
    assert 401 == (await other.get("/api/calls")).status_code
    assert 200 == (await visitor.get("/api/calls")).status_code
    again = await visitor.delete(f"/api/sessions/{found[0]['session_id']}")
    assert 404 == again.status_code
    await visitor.post(f"/sessions/{found[1]['session_id']}/end")
    assert 401 == (await visitor.get("/api/calls")).status_code


async def test_other_sites_end_no_session(visitor: httpx.AsyncClient) -> None:
    """A form of another site is refused, whatever cookie comes with it."""
    await signed_in(visitor)
    (session,) = (await visitor.get("/api/sessions")).json()["sessions"]
    path = f"/sessions/{session['session_id']}/end"
    answer = await visitor.post(path, headers={"Origin": "https://evil.example"})
    assert 403 == answer.status_code
    assert 200 == (await visitor.get("/api/calls")).status_code


async def test_what_people_do_is_in_the_audit_table(
    visitor: httpx.AsyncClient, console: Console
) -> None:
    """Sign-ins, failed ones too, playback, download and sign-out are recorded with actor, object,
    time and address."""
    console.repository.save(CONTACT)
    await visitor.post("/sign-in", data={"token": "wrong"})
    await signed_in(visitor)
    (session,) = (await visitor.get("/api/sessions")).json()["sessions"]
    console.clock.now += 5_000
    player = {"Sec-Fetch-Dest": "audio", "Range": "bytes=0-"}
    assert 206 == (await visitor.get(AUDIO, headers=player)).status_code
    assert 206 == (await visitor.get(AUDIO, headers={**player, "Range": "bytes=9-"})).status_code
    assert 200 == (await visitor.get(AUDIO + "?download")).status_code
    assert 200 == (await visitor.head(AUDIO)).status_code
    await visitor.post("/sign-out")
    assert 206 == (await visitor.get(AUDIO, headers={**AUTHORIZED, **player})).status_code
    entries = await audit(visitor)
    actor = f"session {session['session_id']}"
    recording = (RECORDING.inum, RECORDING.recording_id)
    assert [
        ("failed-sign-in", None, None, None),
        ("sign-in", actor, None, None),
        ("playback", actor, *recording),
        ("download", actor, *recording),
        ("sign-out", actor, None, None),
        ("playback", "token", *recording),
    ] == [(e["action"], e["actor"], e["inum"], e["recording_id"]) for e in entries]
    assert {"127.0.0.1"} == {entry["address"] for entry in entries}
    assert ["2026-05-28T20:26:40.000Z", "2026-05-28T20:26:45.000Z"] == [
        entries[1]["at"], entries[2]["at"],
    ]  # fmt: skip
    page = (await visitor.get("/audit", headers=AUTHORIZED)).text
    assert RECORDING.recording_id in page


async def test_audio_that_cannot_be_recorded_in_the_audit_table_is_not_given(
    client: httpx.AsyncClient, console: Console
) -> None:
    """503, and no byte of it."""
    console.repository.save(CONTACT)
    with console.engine.begin() as connection:
        connection.execute(text("DROP TABLE console_audit"))
    answer = await client.get(AUDIO)
    assert 503 == answer.status_code
    assert console.wav[:100] not in answer.content


async def test_the_audit_table_pages(visitor: httpx.AsyncClient) -> None:
    """Newest first, each entry once."""
    for number in range(5):
        await visitor.post("/sign-in", data={"token": f"wrong {number}"})
    found, cursor = [], ""
    while cursor is not None:
        path = f"/api/audit?limit=2&cursor={cursor}"
        body = (await visitor.get(path, headers=AUTHORIZED)).json()
        found += [entry["detail"] for entry in body["entries"]]
        cursor = body["next"]
    assert [f"sign-in form, attempt {number}" for number in (5, 4, 3, 2, 1)] == found
    wrong = await visitor.get("/api/audit?cursor=x", headers=AUTHORIZED)
    assert (400, True) == (wrong.status_code, wrong.json()["error"].startswith("cursor:"))


async def test_wrong_tokens_are_delayed_and_right_ones_are_not(
    visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrong token of an address waits longer, in form and header alike; the right one from the
    same address does not."""
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    monkeypatch.setattr(wrong_tokens, "FIRST_DELAY_S", 0.25)
    monkeypatch.setattr("console.gate.asyncio.sleep", sleep)
    await visitor.post("/sign-in", data={"token": "wrong"})
    await visitor.get("/api/calls", headers={"Authorization": "Bearer wrong"})
    await visitor.post("/sign-in", data={"token": "wrong"})
    assert [0.25, 0.5, 1.0] == delays
    assert 200 == (await visitor.get("/api/calls", headers=AUTHORIZED)).status_code
    assert 303 == (await signed_in(visitor)).status_code
    assert [0.25, 0.5, 1.0] == delays


async def test_few_wrong_tokens_wait_at_once(
    visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of them is answered 429, holds no connection, and the right token still gets in."""
    release = asyncio.Event()

    async def sleep(_: float) -> None:
        await release.wait()

    monkeypatch.setattr("console.gate.asyncio.sleep", sleep)
    waiting = [
        asyncio.create_task(visitor.post("/sign-in", data={"token": f"wrong {n}"}))
        for n in range(wrong_tokens.MAX_DELAYED_OF_ADDRESS + 5)
    ]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert {429} == {task.result().status_code for task in done}
    assert all("retry-after" in task.result().headers for task in done)
    assert 200 == (await visitor.get("/api/calls", headers=AUTHORIZED)).status_code
    release.set()
    answers = [answer.status_code for answer in await asyncio.gather(*waiting)]
    assert (wrong_tokens.MAX_DELAYED_OF_ADDRESS, 5) == (answers.count(403), answers.count(429))


async def test_a_wrong_token_is_logged_without_it(
    visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the address and the number of attempts."""
    # Another test may have set up logs, and a logger keeps the setup that it was first used with.
    monkeypatch.setattr(auditing, "log", structlog.get_logger())
    with structlog.testing.capture_logs() as logged:
        await visitor.post("/sign-in", data={"token": "my-wrong-secret"})
    (entry,) = (each for each in logged if each["event"] == "wrong console token")
    assert ("127.0.0.1", 1) == (entry["address"], entry["attempt"])
    assert "my-wrong-secret" not in str(logged)
