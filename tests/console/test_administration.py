"""The sessions and the audit table, as pages and in the API."""

import httpx

from console.sessions import IDLE_MS
from tests.console.conftest import Console
from tests.console.visits import AUTHORIZED, signed_in


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
    """A form of another site is refused, with any cookie."""
    await signed_in(visitor)
    (session,) = (await visitor.get("/api/sessions")).json()["sessions"]
    path = f"/sessions/{session['session_id']}/end"
    answer = await visitor.post(path, headers={"Origin": "https://evil.example"})
    assert 403 == answer.status_code
    assert 200 == (await visitor.get("/api/calls")).status_code


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


async def test_the_audit_page_has_a_link_to_older_entries(visitor: httpx.AsyncClient) -> None:
    """With as many entries as the page shows at most."""
    for number in range(3):
        await visitor.post("/sign-in", data={"token": f"wrong {number}"})
    first = (await visitor.get("/audit?limit=2", headers=AUTHORIZED)).text
    assert ("attempt 3" in first, "attempt 1" in first) == (True, False)
    link = first.split('rel="next" href="')[1].split('"')[0]
    older = (await visitor.get(link, headers=AUTHORIZED)).text
    assert ("attempt 3" in older, "attempt 1" in older) == (False, True)
    assert 'rel="next"' not in older
    assert 400 == (await visitor.get("/audit?limit=x", headers=AUTHORIZED)).status_code


async def test_the_end_of_a_session_has_its_entry(visitor: httpx.AsyncClient) -> None:
    """Of the sender that ended it, and with the session that was ended. An unknown one has none."""
    await signed_in(visitor)
    (session,) = (await visitor.get("/api/sessions")).json()["sessions"]
    for session_id, status in (("unknown", 404), (session["session_id"], 204)):
        path = f"/api/sessions/{session_id}"
        assert status == (await visitor.delete(path, headers=AUTHORIZED)).status_code
    entries = (await visitor.get("/api/audit", headers=AUTHORIZED)).json()["entries"]
    assert [("token", f"session {session['session_id']}")] == [
        (e["actor"], e["detail"]) for e in entries if e["action"] == "end-session"
    ]


async def test_expired_sessions_are_not_listed(
    visitor: httpx.AsyncClient, console: Console
) -> None:
    """They cannot be ended any more."""
    await signed_in(visitor)
    console.clock.now += IDLE_MS
    found = await visitor.get("/api/sessions", headers=AUTHORIZED)
    assert [] == found.json()["sessions"]
