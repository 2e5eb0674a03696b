"""The audit table: an entry for each deed of a visitor, one for the ranges of a playback."""

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from console.auditing import SAME_PLAYBACK_MS, Playbacks
from tests.console.conftest import Console
from tests.console.visits import AUTHORIZED, signed_in
from tests.pipeline.store.contacts import CONTACT, RECORDING


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, SAME_PLAYBACK_MS)), max_size=30))
def test_every_range_lies_in_a_playback_that_has_an_entry(steps: list[tuple[int, int]]) -> None:
    """An entry of the same visitor and recording, less than 10 minutes before."""
    playbacks, now, entries = Playbacks(), 0, []
    for recording, later in steps:
        now += later
        key = ("playback", "token", str(recording))
        if not playbacks.is_covered(key, now):
            playbacks.note(key, now)
            entries.append((key, now))
        assert any(k == key and now - at < SAME_PLAYBACK_MS for k, at in entries)


AUDIO = f"/api/recordings/{RECORDING.inum}/audio"


async def audit(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Every entry of the audit table, the oldest first."""
    answer = await client.get("/api/audit", headers=AUTHORIZED)
    return list(reversed(answer.json()["entries"]))


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
