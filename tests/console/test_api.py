"""The JSON API, as its contract says."""

from dataclasses import replace

import httpx
import pytest

from schemas.records import ContactContradiction, ContactGap
from tests.console.conftest import TOKEN, Console
from tests.pipeline.store.contacts import CONTACT, LIVE, NOON, RECORDING, numbered

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


async def test_a_contact_is_shown_as_the_contract_says(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Every field, times as RFC 3339 in UTC with milliseconds, or null."""
    console.repository.save(CONTACT)
    answer = await client.get("/api/contacts")
    assert 200 == answer.status_code
    body = answer.json()
    assert {"contacts", "next"} == set(body)
    assert body["next"] is None
    (contact,) = body["contacts"]
    assert "2026-05-28T20:26:40.000Z" == contact["started_at"]
    assert "2026-05-28T20:27:10.000Z" == contact["ended_at"]
    assert {
        "contact_id", "task_sid", "direction", "customer", "queue", "started_at", "ended_at",
        "state", "outcome", "sessions", "recordings", "decisions", "gaps", "capture",
        "required_ms", "captured_ms", "contradictions", "reconciliation",
    } == set(contact)  # fmt: skip
    assert {
        "reservation_sid": "WR" + "3" * 32,
        "extension": "eve@example.com",
        "monitored": False,
        "started_at": None,
        "ended_at": "2026-05-28T20:26:49.000Z",
    } == contact["sessions"][2]
    assert ("partial", 28_000, 19_980) == (
        contact["capture"], contact["required_ms"], contact["captured_ms"],
    )  # fmt: skip
    assert {
        "inum": RECORDING.inum,
        "recording_id": RECORDING.recording_id,
        "task_sid": CONTACT.task_sid,
        "call_sid": RECORDING.call_sid,
        "stream_sid": RECORDING.stream_sid,
        "extension": "ann@example.com",
        "extensions": ["ann@example.com", "bob@example.com"],
        "state": "complete",
        "started_at": "2026-05-28T20:26:42.000Z",
        "duration_ms": 20_000,
        "supplement_of": None,
        "source": "stream",
        "frames": {"received": 2_000, "lost": 3, "duplicate": 1, "invalid": 0, "withheld": 0},
        "lost_for": {"not-received": 2, "not-sent": 1},
        "audio_url": AUDIO,
        "withheld_because": None,
    } == contact["recordings"][0]
    assert {"at", "decision", "reason", "policy_version"} == set(contact["decisions"][0])
    assert contact == (await client.get(f"/api/contacts/{CONTACT.contact_id}")).json()


async def test_gaps_say_where_they_are_and_why(client: httpx.AsyncClient, console: Console) -> None:
    """Gaps before the first recording, after the last, and over the whole call; a missing neighbour
    is null."""
    gaps = (
        ContactGap(NOON, NOON + 1_500, "", RECORDING.inum, "late-start"),
        ContactGap(NOON + 22_000, NOON + 30_000, RECORDING.inum, "", "socket-dropped", "17"),
        ContactGap(NOON + 40_000, NOON + 50_000, "", "", "twilio-refused"),
    )
    console.repository.save(replace(CONTACT, gaps=gaps))
    contact = (await client.get(f"/api/contacts/{CONTACT.contact_id}")).json()
    assert [
        {
            "from": "2026-05-28T20:26:40.000Z",
            "to": "2026-05-28T20:26:41.500Z",
            "duration_ms": 1_500,
            "after": None,
            "before": RECORDING.inum,
            "reason": "late-start",
            "covered_by": None,
        },
        {
            "from": "2026-05-28T20:27:02.000Z",
            "to": "2026-05-28T20:27:10.000Z",
            "duration_ms": 8_000,
            "after": RECORDING.inum,
            "before": None,
            "reason": "socket-dropped",
            "covered_by": "17",
        },
        {
            "from": "2026-05-28T20:27:20.000Z",
            "to": "2026-05-28T20:27:30.000Z",
            "duration_ms": 10_000,
            "after": None,
            "before": None,
            "reason": "twilio-refused",
            "covered_by": None,
        },
    ] == contact["gaps"]


async def test_calls_in_progress(client: httpx.AsyncClient, console: Console) -> None:
    """The connections and media streams of the calls in progress, and of no others."""
    console.repository.save(CONTACT)
    console.repository.save(LIVE)
    (call,) = (await client.get("/api/calls")).json()["calls"]
    assert LIVE.task_sid == call["task_sid"]
    assert "inbound" == call["direction"]
    assert [
        {"extension": "ann@example.com", "state": "active"},
        {"extension": None, "state": "hold"},
    ] == call["connections"]
    assert [
        {
            "stream_sid": None,
            "call_sid": "CA" + "c" * 32,
            "name": "fc-1",
            "state": "starting",
            "reason": "asked for",
        }
    ] == call["streams"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [9, 5, 1]),
        ("agent=&customer=&call_sid=&task_sid=&from=&to=&q=&limit=&cursor=", [9, 5, 1]),
        ("agent=ANN@example.com", [9, 1]),
        ("customer=%2B155500001", [1]),
        ("customer=+155500001", [1]),
        ("customer=155500001", []),
        (f"call_sid=CA{5:032x}", [5]),
        (f"task_sid=WT{9:032x}", [9]),
        ("from=2026-05-28T20:31:40.000Z", [9, 5]),
        ("from=2026-05-28T20:31:40.001Z", [9]),
        ("from=2026-05-28T22:31:40%2B02:00", [9, 5]),
        ("from=2026-05-28T22:31:40+02:00", [9, 5]),
        ("to=2026-05-28T20:31:40Z", [1]),
        ("to=2026-05-28t20:31:40z", [1]),
        ("from=2026-05-28t20:31:40.000z", [9, 5]),
        ("from=2026-05-28T20:30:60Z", [9, 5]),
        ("to=2016-12-31T23:59:60Z", []),
        ("q=sales", [5]),
        ("q=SALES&agent=bob@example.com", [5]),
        ("capture=missing", [5, 1]),
        ("capture=complete", []),
        ("capture=not-required&q=bill", []),
    ],
)
async def test_searches(
    client: httpx.AsyncClient, console: Console, query: str, found: list[int]
) -> None:
    """Each filter, `from` inclusive and `to` exclusive, newest first."""
    ann, bob = CONTACT.sessions[:1], CONTACT.sessions[1:2]
    console.repository.save(numbered(1, sessions=ann, customer="+155500001", capture="missing"))
    console.repository.save(
        numbered(5, sessions=bob, customer="+155500005", queue="Sales", capture="missing")
    )
    console.repository.save(numbered(9, sessions=ann, customer=None, queue=None))
    answer = await client.get(f"/api/contacts?{query}")
    assert 200 == answer.status_code
    assert [f"WT{n:032x}" for n in found] == [c["task_sid"] for c in answer.json()["contacts"]]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("from=yesterday", "from"),
        ("from=2026-05-28T20:31:61Z", "from"),
        ("from=9999-12-31T23:59:60Z", "from"),
        ("cursor=MC4A", "cursor"),
        ("from=2026-13-01T00:00:00Z", "from"),
        ("to=2026-05-28T20:00:00", "to"),
        ("to=2026-05-28", "to"),
        ("to=0001-01-01T00:00:00%2B23:00", "to"),
        ("cursor=nonsense", "cursor"),
        ("agnet=ann", "agnet"),
        ("agent=a&agent=b", "agent"),
        ("q=%00", "q"),
        ("capture=lost", "capture"),
        ("capture=Complete", "capture"),
    ],
)
async def test_a_wrong_parameter_is_named(
    client: httpx.AsyncClient, query: str, named: str
) -> None:
    """400, and the error says which one."""
    answer = await client.get(f"/api/contacts?{query}")
    if query.startswith("to=0001"):
        assert answer.status_code in (200, 400)
        return
    assert 400 == answer.status_code
    assert answer.json()["error"].startswith(f"{named}:")


async def test_pages_go_on_by_cursor(client: httpx.AsyncClient, console: Console) -> None:
    """Following `next` gives every contact once."""
    for number in range(5):
        console.repository.save(numbered(number))
    found, cursor = [], ""
    while cursor is not None:
        body = (await client.get(f"/api/contacts?limit=2&cursor={cursor}")).json()
        found += [contact["task_sid"] for contact in body["contacts"]]
        cursor = body["next"]
    assert [f"WT{number:032x}" for number in (4, 3, 2, 1, 0)] == found


@pytest.mark.parametrize(
    "path", ["contacts/WT0", "recordings/1", "recordings/1/audio", "recordings/1/manifest", "x"]
)
async def test_what_does_not_exist_is_404(client: httpx.AsyncClient, path: str) -> None:
    """404 and an error in JSON."""
    answer = await client.get(f"/api/{path}")
    assert 404 == answer.status_code
    assert "error" in answer.json()


async def test_another_method_is_405(client: httpx.AsyncClient) -> None:
    """The API changes nothing."""
    assert 405 == (await client.post("/api/contacts")).status_code


async def test_contradictions_of_attributes_are_shown(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Each contradiction has the stated value, the value in force, the time and the worker."""
    told = ContactContradiction(None, "direction", "internal", "inbound", NOON + 5_000)
    console.repository.save(replace(CONTACT, contradictions=(told,)))
    (contact,) = (await client.get("/api/contacts")).json()["contacts"]
    assert [
        {
            "at": "2026-05-28T20:26:45.000Z", "reservation_sid": None, "name": "direction",
            "value": "internal", "held": "inbound",
        }
    ] == contact["contradictions"]  # fmt: skip
