"""Recordings in the API: found by number, listed, withheld."""

from dataclasses import replace

import httpx
import pytest

from tests.console.conftest import Console
from tests.pipeline.store.contacts import CONTACT, NOON, RECORDING, numbered

AUDIO = f"/api/recordings/{RECORDING.recording_id}/audio"


async def test_a_recording_and_its_manifest(client: httpx.AsyncClient, console: Console) -> None:
    """The recording as in its contact, and the manifest as it was written."""
    console.repository.save(CONTACT)
    recording = (await client.get(f"/api/recordings/{RECORDING.inum}")).json()
    (contact,) = (await client.get("/api/contacts")).json()["contacts"]
    assert contact["recordings"][0] == recording
    manifest = await client.get(f"/api/recordings/{RECORDING.inum}/manifest")
    assert {"inum": RECORDING.inum} == manifest.json()


@pytest.mark.parametrize("name", [RECORDING.inum, RECORDING.recording_id])
@pytest.mark.parametrize("part", ["", "/audio", "/manifest", "/peaks"])
async def test_a_recording_is_found_by_inum_and_by_id(
    client: httpx.AsyncClient, console: Console, name: str, part: str
) -> None:
    """Both name the same recording on every path."""
    console.repository.save(CONTACT)
    answer = await client.get(f"/api/recordings/{name}{part}")
    expected = await client.get(f"/api/recordings/{RECORDING.inum}{part}")
    assert (200, expected.content) == (answer.status_code, answer.content)


@pytest.mark.parametrize("part", ["", "/audio", "/manifest", "/peaks"])
async def test_an_inum_of_two_recordings_is_ambiguous(
    client: httpx.AsyncClient, console: Console, part: str
) -> None:
    """300 with both of them on every path; each has an `audio_url` that gives its own audio."""
    twin = replace(
        RECORDING, recording_id=f"{RECORDING.inum}-ffffffffffffffff", stream_sid="MZ2",
        audio="twin.wav", manifest="twin.json",
    )  # fmt: skip
    (console.recordings / "twin.wav").write_bytes(b"twin's audio")
    console.repository.save(CONTACT)
    console.repository.save(numbered(1, recordings=(twin,)))
    answer = await client.get(f"/api/recordings/{RECORDING.inum}{part}")
    assert 300 == answer.status_code
    found = answer.json()["recordings"]
    assert [RECORDING.stream_sid, "MZ2"] == [recording["stream_sid"] for recording in found]
    assert [CONTACT.task_sid, f"WT{1:032x}"] == [recording["task_sid"] for recording in found]
    audio = [(await client.get(recording["audio_url"])).content for recording in found]
    assert [console.wav, b"twin's audio"] == audio


async def test_unmatched_recordings_are_listed(client: httpx.AsyncClient, console: Console) -> None:
    """Those without a contact, newest first, page by page, with their task."""
    console.repository.save(CONTACT)
    for number in range(3):
        recording = replace(
            RECORDING,
            inum=f"{number:018}",
            recording_id=f"{number:018}-a",
            started_at=NOON + number,
        )
        console.repository.save_unmatched(f"WT{number}", [recording], b"")
    found, cursor = [], ""
    while cursor is not None:
        path = f"/api/recordings?unmatched=true&limit=2&cursor={cursor}"
        body = (await client.get(path)).json()
        assert {"recordings", "next"} == set(body)
        found += body["recordings"]
        cursor = body["next"]
    assert [("WT2", f"{2:018}"), ("WT1", f"{1:018}"), ("WT0", f"{0:018}")] == [
        (recording["task_sid"], recording["inum"]) for recording in found
    ]
    assert (await client.get(found[0]["audio_url"])).content == console.wav


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "unmatched"),
        ("unmatched=false", "unmatched"),
        ("unmatched=", "unmatched"),
        ("unmatched=true&limit=501", "limit"),
        ("unmatched=true&cursor=x", "cursor"),
        ("unmatched=true&task_sid=WT1", "task_sid"),
    ],
)
async def test_other_lists_of_recordings_are_refused(
    client: httpx.AsyncClient, query: str, named: str
) -> None:
    """Other lists are answered with 400; the error names the parameter and the valid values."""
    answer = await client.get(f"/api/recordings?{query}")
    assert 400 == answer.status_code
    assert answer.json()["error"].startswith(f"{named}:")


async def test_a_supplement_names_its_recording(
    client: httpx.AsyncClient, console: Console
) -> None:
    """`supplement_of`, frames withheld, and the losses by reason."""
    supplement = replace(
        RECORDING, inum="178000390000000099", recording_id="178000390000000099-aa",
        supplement_of=RECORDING.inum, withheld=25, lost=4, lost_for={"batch-missing": 4},
    )  # fmt: skip
    console.repository.save(replace(CONTACT, recordings=(RECORDING, supplement)))
    found = (await client.get(f"/api/recordings/{supplement.inum}")).json()
    assert (RECORDING.inum, 25, {"batch-missing": 4}) == (
        found["supplement_of"], found["frames"]["withheld"], found["lost_for"],
    )  # fmt: skip


async def test_a_withheld_recording_is_listed_only_if_it_is_asked_for(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Neither audio nor waveform is given; the contact without one is not among those."""
    withheld = replace(RECORDING, withheld_because="leg-contradicted")
    console.repository.save(replace(CONTACT, recordings=(withheld,)))
    other = replace(
        CONTACT, contact_id="WT" + "b" * 32, task_sid="WT" + "b" * 32, recordings=(),
    )  # fmt: skip
    console.repository.save(other)

    every = (await client.get("/api/contacts")).json()["contacts"]
    assert [[], []] == [contact["recordings"] for contact in every]
    (listed,) = (await client.get("/api/contacts?withheld=true")).json()["contacts"]
    (recording,) = listed["recordings"]
    assert (CONTACT.contact_id, "leg-contradicted", None) == (
        listed["contact_id"], recording["withheld_because"], recording["audio_url"],
    )  # fmt: skip
    one = f"/api/recordings/{RECORDING.inum}"
    assert "leg-contradicted" == (await client.get(one)).json()["withheld_because"]
    answers = [await client.get(f"{one}/{part}") for part in ("audio", "peaks")]
    answers.append(await client.head(f"{one}/audio"))
    assert [403, 403, 403] == [answer.status_code for answer in answers]
    assert 200 == (await client.get(f"{one}/manifest")).status_code
    assert 400 == (await client.get("/api/contacts?withheld=yes")).status_code


async def test_a_recording_can_be_withheld_after_it_is_complete(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Twilio's word may come late."""
    console.repository.save(CONTACT)
    assert 200 == (await client.get(AUDIO)).status_code
    withheld = replace(RECORDING, withheld_because="leg-contradicted")
    console.repository.save(replace(CONTACT, recordings=(withheld,), revision=CONTACT.revision + 1))
    assert 403 == (await client.get(AUDIO)).status_code
