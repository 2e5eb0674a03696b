"""The audio of a recording over HTTP, its ranges and peaks."""

from dataclasses import replace

import httpx
import pytest

from tests.console.conftest import Console
from tests.pipeline.store.contacts import CONTACT, NOON, RECORDING, numbered

AUDIO = f"/api/recordings/{RECORDING.recording_id}/audio"


async def test_an_open_recording_has_no_audio_yet(
    client: httpx.AsyncClient, console: Console
) -> None:
    """`audio_url` is null, and audio, manifest and peaks are 409."""
    unfinished = replace(RECORDING, state="recording", audio=None, manifest=None, duration_ms=None)
    console.repository.save(numbered(1, recordings=(unfinished,), started_at=NOON))
    one = f"/api/recordings/{RECORDING.inum}"
    assert (await client.get(one)).json()["audio_url"] is None
    for part in ("audio", "manifest", "peaks"):
        assert 409 == (await client.get(f"{one}/{part}")).status_code


async def test_the_whole_audio(client: httpx.AsyncClient, console: Console) -> None:
    """The bytes as they are stored, with type, length and a mark of the version."""
    console.repository.save(CONTACT)
    answer = await client.get(AUDIO)
    assert 200 == answer.status_code
    assert console.wav == answer.content
    assert "audio/wav" == answer.headers["content-type"]
    assert str(len(console.wav)) == answer.headers["content-length"]
    assert "bytes" == answer.headers["accept-ranges"]
    assert "no-store" == answer.headers["cache-control"]
    head = await client.head(AUDIO)
    assert (200, b"") == (head.status_code, head.content)
    assert str(len(console.wav)) == head.headers["content-length"]


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=320000-", 320_000, None),
        ("bytes=-7", -7, None),
        ("bytes=0-99999999", 0, None),
        ("bytes=-99999999", 0, None),
    ],
)
async def test_a_range_of_the_audio(
    client: httpx.AsyncClient, console: Console, wanted: str, start: int, end: int | None
) -> None:
    """A range is answered with 206, exactly those bytes, and their position."""
    console.repository.save(CONTACT)
    answer = await client.get(AUDIO, headers={"Range": wanted})
    size = len(console.wav)
    assert 206 == answer.status_code
    assert console.wav[start:end] == answer.content
    first = start % size
    assert (
        f"bytes {first}-{first + len(answer.content) - 1}/{size}"
        == (answer.headers["content-range"])
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["{tag}"], 304),
        (["W/{tag}"], 304),
        (['"x", {tag}'], 304),
        (['"a,b" , W/"x",W/{tag}'], 304),
        (['"x"', "{tag}"], 304),
        (["*"], 304),
        (['"x"'], 200),
        (['"*"'], 200),
        (["x{tag}"], 200),
        (["{tag} x"], 200),
        ([""], 200),
    ],
)
async def test_if_none_match(
    client: httpx.AsyncClient, console: Console, fields: list[str], status: int
) -> None:
    """304 if a tag of any list is the current one, weak or not, and for `*`."""
    console.repository.save(CONTACT)
    tag = (await client.head(AUDIO)).headers["etag"]
    headers = [("If-None-Match", field.format(tag=tag)) for field in fields]
    assert status == (await client.get(AUDIO, headers=headers)).status_code


async def test_a_range_outside_is_416(client: httpx.AsyncClient, console: Console) -> None:
    """With the size, so that the client can ask again."""
    console.repository.save(CONTACT)
    answer = await client.get(AUDIO, headers={"Range": "bytes=99999999-"})
    assert 416 == answer.status_code
    assert f"bytes */{len(console.wav)}" == answer.headers["content-range"]


async def test_a_range_of_another_version_is_all_of_this(
    client: httpx.AsyncClient, console: Console
) -> None:
    """`If-Range` with another mark gives the whole audio."""
    console.repository.save(CONTACT)
    headers = {"Range": "bytes=0-9", "If-Range": '"other"'}
    answer = await client.get(AUDIO, headers=headers)
    assert (200, console.wav) == (answer.status_code, answer.content)


async def test_peaks_of_each_side(client: httpx.AsyncClient, console: Console) -> None:
    """800 peaks a side; the left is loud in its first half, the right in its second."""
    console.repository.save(CONTACT)
    peaks = (await client.get(f"/api/recordings/{RECORDING.inum}/peaks")).json()
    assert 800 == len(peaks["left"]) == len(peaks["right"])
    assert min(peaks["left"][:400]) > 0.2
    assert 0 == max(peaks["left"][400:]) == max(peaks["right"][:400])
    assert peaks["left"][:400] == peaks["right"][400:]


async def test_audio_that_is_gone_is_404(client: httpx.AsyncClient, console: Console) -> None:
    """The contact is there, its object is not."""
    console.repository.save(CONTACT)
    assert RECORDING.audio is not None
    (console.recordings / RECORDING.audio).unlink()
    for part in ("audio", "peaks"):
        answer = await client.get(f"/api/recordings/{RECORDING.inum}/{part}")
        assert 404 == answer.status_code
