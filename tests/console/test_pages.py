"""The content of the pages."""

from dataclasses import replace

import httpx

from schemas.records import ContactDecision, ContactGap
from tests.console.conftest import Console
from tests.pipeline.store.contacts import CONTACT, LIVE, NOON, RECORDING, numbered


async def test_pages_have_nothing_inline(client: httpx.AsyncClient, console: Console) -> None:
    """No style attribute, no inline script: the policy would refuse them."""
    console.repository.save(CONTACT)
    console.repository.save_unmatched("WT9", [replace(RECORDING, recording_id="x")], b"")
    for path in (
        "/",
        "/search",
        "/unmatched",
        "/checks",
        "/sessions",
        "/audit",
        f"/contacts/{CONTACT.contact_id}",
    ):
        page = (await client.get(path)).text
        assert " style=" not in page
        assert " on" + "click=" not in page
        assert "<script>" not in page


async def test_the_contact_page_shows_the_contact(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Facts, sessions, recordings with players, decisions."""
    console.repository.save(CONTACT)
    page = (await client.get(f"/contacts/{CONTACT.contact_id}")).text
    for text in (
        "+15550001111", "Billing", "ann@example.com", "bob@example.com", "never",
        "178000000200000042", "<audio", 'data-side="left"', "stopped: call ended",
    ):  # fmt: skip
        assert text in page


async def test_gaps_and_recordings_stand_in_the_order_of_time(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Each gap has its length, time and reason; supplements are next to their recordings."""
    again = replace(
        RECORDING, inum="178000002500000043", recording_id="178000002500000043-a",
        stream_sid="MZ2", started_at=NOON + 24_500,
    )  # fmt: skip
    supplement = replace(
        RECORDING, inum="178000390000000099", recording_id="178000390000000099-a",
        supplement_of=RECORDING.inum, started_at=NOON + 60_000,
    )  # fmt: skip
    gaps = (
        ContactGap(NOON, NOON + 1_900, "", RECORDING.inum, "late-events"),
        ContactGap(NOON + 22_000, NOON + 24_500, RECORDING.inum, again.inum, "gateway-died"),
        ContactGap(NOON + 50_000, NOON + 900_000, again.inum, "", "new-reason", "123"),
    )
    console.repository.save(replace(CONTACT, recordings=(RECORDING, again, supplement), gaps=gaps))
    page = (await client.get(f"/contacts/{CONTACT.contact_id}")).text
    shown = page[page.index('id="recordings"') :]
    places = [
        shown.index(text)
        for text in (
            "1.90 s", "the events of the call came late",
            f'aria-label="Recording {RECORDING.inum}"', f"supplement of {RECORDING.inum}",
            "2.50 s", "between two recordings", "the gateway died",
            f'aria-label="Recording {again.inum}"',
            "14:10", "after the last recording", "new reason", "recovered recording 123",
        )
    ]  # fmt: skip
    assert sorted(places) == places
    assert 3 == page.count('class="gap" x=')


async def test_a_contact_without_audio_says_what_is_missing(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Its capture, the time that had to be recorded, and the one gap that is all of it."""
    gap = ContactGap(NOON, NOON + 30_000, "", "", "twilio-refused")
    missing = {"gaps": (gap,), "capture": "missing", "required_ms": 30_000}
    console.repository.save(numbered(1, **missing))
    console.repository.save(numbered(2))
    page = (await client.get(f"/contacts/WT{1:032x}")).text
    for text in ("capture: missing", "there is no recording", "Twilio refused", "30.00 s", "0:30"):
        assert text in page
    page = (await client.get(f"/contacts/WT{2:032x}")).text
    assert "capture: not required" in page
    assert "did not have to be recorded" in page


async def test_frames_not_sent_and_withheld_are_no_losses(
    client: httpx.AsyncClient, console: Console
) -> None:
    """They are shown separately, and other losses by their reasons."""
    recording = replace(
        RECORDING, lost=80, lost_for={"not-sent": 70, "not-received": 10}, withheld=50,
        withheld_ms=500,
    )  # fmt: skip
    console.repository.save(replace(CONTACT, recordings=(recording,)))
    page = (await client.get(f"/contacts/{CONTACT.contact_id}")).text
    assert "10 (10 sent by Twilio, not received)" in page
    assert '<dt>not sent by Twilio</dt><dd class="num">70</dd>' in page
    assert "50, 0.50 s of silence" in page
    assert "10 lost</span>" in (await client.get("/search")).text


async def test_the_search_page_filters_by_capture(
    client: httpx.AsyncClient, console: Console
) -> None:
    """The chosen state stays chosen, and is shown in the list."""
    console.repository.save(CONTACT)
    console.repository.save(numbered(1))
    page = (await client.get("/search?capture=partial")).text
    assert 1 == page.count('href="/contacts/')
    assert '<option value="partial" selected>' in page
    assert '<span class="tag capture-partial">partial</span>' in page
    assert 400 == (await client.get("/search?capture=some")).status_code


async def test_unmatched_audio_has_a_page(client: httpx.AsyncClient, console: Console) -> None:
    """A recording without a contact is listed with its task, a player and its files."""
    empty = (await client.get("/unmatched")).text
    assert "All recordings belong to a contact" in empty
    for number in range(30):
        recording = replace(RECORDING, recording_id=f"id-{number}", started_at=NOON + number)
        console.repository.save_unmatched("WT<b>", [recording], b"")
    page = (await client.get("/unmatched")).text
    assert 25 == page.count("<audio")
    assert "WT&lt;b&gt;" in page
    assert '<a href="/api/recordings/id-29/audio?download" download=' in page
    link = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert 5 == (await client.get(link)).text.count("<audio")
    assert 400 == (await client.get("/unmatched?cursor=x")).status_code


async def test_calls_in_progress_show_why_they_are_recorded(
    client: httpx.AsyncClient, console: Console
) -> None:
    """The decision in force, with its reason; none as long as none was taken."""
    stopped = ContactDecision(NOON + 9_000, "stop", "stopped: last <monitored> agent left", 3)
    console.repository.save(replace(LIVE, decisions=(*CONTACT.decisions[:1], stopped)))
    console.repository.save(numbered(8, in_progress=True, decisions=()))
    calls = (await client.get("/api/calls")).json()["calls"]
    assert [stopped.reason, None] == [c["decision"] and c["decision"]["reason"] for c in calls]
    assert "stopped: last &lt;monitored&gt; agent left" in (await client.get("/")).text


async def test_what_callers_sent_is_text(client: httpx.AsyncClient, console: Console) -> None:
    """Markup in a queue's name or a number is shown, not obeyed."""
    console.repository.save(numbered(1, queue="<script>alert(1)</script>", customer='"><b>'))
    for path in ("/search", f"/contacts/WT{1:032x}"):
        page = (await client.get(path)).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page


async def test_calls_in_progress_are_listed(client: httpx.AsyncClient, console: Console) -> None:
    """The first page has them before any script runs."""
    console.repository.save(LIVE)
    page = (await client.get("/")).text
    assert LIVE.task_sid in page
    assert "starting" in page


async def test_the_search_page_pages(client: httpx.AsyncClient, console: Console) -> None:
    """25 contacts, then a link to the older ones that keeps the search."""
    for number in range(30):
        console.repository.save(numbered(number, started_at=NOON + number))
    page = (await client.get("/search?q=billing&agent=")).text
    assert 25 == page.count('href="/contacts/')
    link = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert link.startswith("/search?q=billing&cursor=")
    assert 5 == (await client.get(link)).text.count('href="/contacts/')


async def test_the_search_page_takes_times_of_its_form(
    client: httpx.AsyncClient, console: Console
) -> None:
    """A time without an offset is in UTC; an invalid time is reported."""
    console.repository.save(CONTACT)
    found = await client.get("/search?from=2026-05-28T20:26&to=2026-05-28T20:27:00")
    assert CONTACT.contact_id in found.text
    wrong = await client.get("/search?from=soon")
    assert 400 == wrong.status_code
    assert "from:" in wrong.text
