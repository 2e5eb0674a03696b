"""The console in a real browser: a compliance officer finds a call and plays it."""

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from console.app import make_app
from infra.ports import chosen
from pipeline.media.wav import header, interleave
from pipeline.runtime.http_server import serving
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore
from pipeline.store.database import migrate, open_database
from pipeline.store.repository import Repository
from schemas.records import ContactGap
from tests.pipeline.store.contacts import CONTACT, LIVE, NOON, RECORDING, numbered

pytestmark = pytest.mark.browser

TOKEN = "a-token-for-tests-of-32-characters"
SAMPLES = 160_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@dataclass(frozen=True, slots=True)
class Visit:
    """A page of the console, and all that the browser complained of."""

    page: Page
    base: str
    repository: Repository
    complaints: list[str] = field(default_factory=list)

    async def signed_in(self, path: str = "/") -> None:
        """Goes to `path` by way of signing in."""
        await self.page.goto(self.base + path)
        await self.page.get_by_label("Console token").fill(TOKEN)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url(self.base + path)


@pytest.fixture
async def visit(tmp_path: Path) -> AsyncIterator[Visit]:
    """A console with contacts and a recording, open in a browser of its own."""
    engine = open_database(f"sqlite:///{tmp_path}/contacts.db")
    migrate(engine)
    repository = Repository(engine)
    for contact in (CONTACT, LIVE, *(numbered(n, queue="Sales") for n in range(20, 60))):
        repository.save(contact)
    objects = AudioStore.from_url(f"file://{tmp_path}/recordings")
    assert RECORDING.audio is not None
    loud, silent = b"\x20\xa0" * (SAMPLES // 4), b"\xff" * (SAMPLES // 2)
    wav = header(SAMPLES) + bytes(interleave(loud + silent, silent + loud))
    await objects.put(RECORDING.audio, wav)
    app = make_app(engine, objects, Health(), [TOKEN])
    listen = f"127.0.0.1:{chosen(['console'], {}, [])['console']}"
    async with serving(listen, app), async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page()
        visit = Visit(page, f"http://{listen}", repository)
        page.on("console", lambda m: m.type == "error" and visit.complaints.append(m.text))
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        yield visit
        await browser.close()
    engine.dispose()


async def test_a_call_is_found_opened_and_played(visit: Visit) -> None:
    """Signed in, searched, opened, played, and sought in, without a word of complaint."""
    page = visit.page
    await visit.signed_in("/search")
    await page.get_by_label("Agent", exact=True).fill("bob@example.com")
    await page.get_by_label("Customer’s number").fill("+15550001111")  # noqa: RUF001
    await page.get_by_label("Any part of").fill("billing")
    await page.get_by_role("button", name="Search").click()
    rows = page.locator("#contacts tbody tr")
    await expect(rows).to_have_count(2)
    await rows.filter(has_text="20:26:40").get_by_role("link").click()
    await expect(page.get_by_role("heading", name="+15550001111")).to_be_visible()
    await expect(page.locator(".player[data-ready]")).to_be_visible()
    await page.evaluate("document.querySelector('audio').play()")
    await _until_playing(page, "audio.currentTime > 0.5")
    left = page.locator("canvas[data-side=left]")
    box = await left.bounding_box()
    assert box is not None
    await left.click(position={"x": box["width"] * 0.75, "y": 20})
    await _until_playing(page, "audio.currentTime > 15 && audio.currentTime < 17 && !audio.paused")
    await left.press("ArrowLeft")
    await _until_playing(page, "audio.currentTime < 13")
    assert 20 == await page.evaluate("document.querySelector('audio').duration")
    assert [] == visit.complaints


async def test_the_waveforms_show_the_speaker(visit: Visit) -> None:
    """The customer's side is tall in its first half, the other in its second."""
    await visit.signed_in(f"/contacts/{CONTACT.contact_id}")
    await expect(visit.page.locator(".player[data-ready]")).to_be_visible()
    shown = await visit.page.evaluate(
        """() => [...document.querySelectorAll('canvas')].map(canvas => {
             const pen = canvas.getContext('2d');
             const painted = part => pen.getImageData(
               Math.round(canvas.width * part), Math.round(canvas.height * 0.3), 20, 1
             ).data.some(value => value !== 0);
             return [painted(0.25), painted(0.75)];
           })"""
    )
    assert [[True, False], [False, True]] == shown
    assert [] == visit.complaints


async def test_calls_in_progress_keep_themselves_true(visit: Visit) -> None:
    """A call that begins appears, and one that ends disappears, without a reload of the page."""
    await visit.signed_in()
    rows = visit.page.locator("#calls tbody tr")
    await expect(rows).to_have_count(1)
    visit.repository.save(
        numbered(8, in_progress=True, state="active", outcome=None, customer="+4930123")
    )
    await expect(visit.page.get_by_text("+4930123")).to_be_visible(timeout=15_000)
    visit.repository.save(numbered(8))
    await expect(rows).to_have_count(1, timeout=15_000)
    assert [] == visit.complaints


async def test_the_search_pages_through_all(visit: Visit) -> None:
    """Older contacts follow by a link."""
    page = visit.page
    await visit.signed_in("/search")
    rows = page.locator("#contacts tbody tr")
    await expect(rows).to_have_count(25)
    await page.get_by_role("link", name="Older contacts").click()
    await expect(page).to_have_url(re.compile("cursor="))
    await expect(rows).to_have_count(17)
    assert [] == visit.complaints


async def test_missing_audio_is_found_by_capture(visit: Visit) -> None:
    """The search lists a contact without audio, and its page shows the missing time and the
    reason."""
    page = visit.page
    gap = ContactGap(NOON, NOON + 30_000, "", "", "handshake-refused")
    visit.repository.save(numbered(9, capture="missing", gaps=(gap,), required_ms=30_000))
    await visit.signed_in("/search")
    await page.get_by_label("Capture").select_option("missing")
    await page.get_by_role("button", name="Search").click()
    rows = page.locator("#contacts tbody tr")
    await expect(rows).to_have_count(1)
    await rows.get_by_role("link").click()
    await expect(page.get_by_role("note")).to_contain_text("a gateway refused the handshake")
    await expect(page.locator("svg.timeline rect.gap")).to_have_count(1)
    assert [] == visit.complaints


async def test_unmatched_audio_is_played_and_downloaded(visit: Visit) -> None:
    """From the navigation to a playing recording without a contact, and to its file."""
    page = visit.page
    lonely = replace(RECORDING, recording_id=f"{RECORDING.inum}-lonely")
    visit.repository.save_unmatched("WT" + "9" * 32, [lonely], b"")
    await visit.signed_in()
    await page.get_by_role("link", name="Unmatched audio").click()
    await expect(page.locator("#unmatched tbody tr")).to_contain_text("WT" + "9" * 32)
    await page.evaluate("document.querySelector('audio').play()")
    await _until_playing(page, "audio.currentTime > 0.5")
    async with page.expect_download() as started:
        await page.get_by_role("link", name="WAV").click()
    download = await started.value
    assert f"{RECORDING.inum}.wav" == download.suggested_filename
    assert [] == visit.complaints


async def test_signing_out_closes_the_console(visit: Visit) -> None:
    """Afterwards every page asks for the token."""
    await visit.signed_in()
    await visit.page.get_by_role("button", name="Sign out").click()
    await expect(visit.page.get_by_label("Console token")).to_be_visible()
    await visit.page.goto(visit.base + "/search")
    await expect(visit.page.get_by_label("Console token")).to_be_visible()


async def test_a_playback_is_in_the_audit_table_once(visit: Visit) -> None:
    """The player's ranges, with a seek among them, are one playback of this session."""
    page = visit.page
    await visit.signed_in(f"/contacts/{CONTACT.contact_id}")
    await expect(page.locator(".player[data-ready]")).to_be_visible()
    await page.evaluate("document.querySelector('audio').play()")
    await _until_playing(page, "audio.currentTime > 0.5")
    await page.evaluate("document.querySelector('audio').currentTime = 15")
    await _until_playing(page, "audio.currentTime > 15.2")
    await page.get_by_role("link", name="Audit").click()
    rows = page.locator("#audit tbody tr")
    played = rows.filter(has_text=RECORDING.recording_id)
    await expect(played).to_have_count(1)
    await expect(played).to_contain_text("playback")
    await expect(rows.filter(has_text="sign-in")).to_have_count(1)
    assert [] == visit.complaints


async def test_a_session_is_ended_from_its_list(visit: Visit) -> None:
    """The browser's own, too: it must then sign in again."""
    page = visit.page
    await visit.signed_in("/sessions")
    await expect(page.locator("#sessions tbody tr")).to_contain_text("this one")
    await page.get_by_role("button", name="End session").click()
    await expect(page.get_by_label("Console token")).to_be_visible()
    assert [] == visit.complaints


async def _until_playing(page: Page, condition: str) -> None:
    await page.wait_for_function(
        f"() => {{ const audio = document.querySelector('audio'); return {condition}; }}"
    )
