"""Check the console API's recordings against its contract, as a client."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import aiohttp

from simulator.console import Endpoints
from simulator.script import Json

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (by lower-case name) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Client:
    """A client that adds each violation of the contract to `violations`."""

    def __init__(self, session: aiohttp.ClientSession, violations: list[str]) -> None:
        self._session = session
        self._violations = violations

    async def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        async with self._session.get(path, headers=headers) as answer:
            shown = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, shown, await answer.read())

    def must(self, what: str, expected: Any, actual: Any) -> None:
        """Notes what differs."""
        if expected != actual:
            self._violations.append(f"console, {what}: {actual!r}, expected {expected!r}")


def _session(endpoints: Endpoints) -> aiohttp.ClientSession:
    token = {"Authorization": f"Bearer {endpoints.console_token}"}
    return aiohttp.ClientSession(endpoints.console, headers=token)


MISSING = "console: no recording of a call in progress was seen"


async def while_recording(endpoints: Endpoints, task_sid: str, violations: list[str]) -> None:
    """Check the recording of a call in progress: there is one, and its audio is not available
    yet."""
    violations.append(MISSING)
    async with _session(endpoints) as session:
        while True:
            await asyncio.sleep(POLL_S)
            found: list[str] = []
            with suppress(aiohttp.ClientError):  # it may have been killed
                if await _seen_going_on(Client(session, found), task_sid):
                    violations.remove(MISSING)
                    violations += found
                    return


async def _seen_going_on(client: Client, task_sid: str) -> bool:
    """Whether there was one from the first question to the last."""
    recording = await _going_on(client, task_sid)
    if recording is None:
        return False
    await _open_recording(client, recording)
    after = await _going_on(client, task_sid)  # its gateway may have been killed
    return after is not None and after["inum"] == recording["inum"]


async def _going_on(client: Client, task_sid: str) -> Json | None:
    answer = await client.get(f"/api/contacts?task_sid={task_sid}")
    contacts = answer.json()["contacts"] if answer.status == 200 else []
    recordings = contacts[0]["recordings"] if contacts else []
    return next((one for one in recordings if one["state"] == "recording"), None)


async def _open_recording(client: Client, recording: Json) -> None:
    path = f"/api/recordings/{recording['inum']}"
    client.must("state during the call", "recording", recording["state"])
    client.must("audio_url during the call", None, recording["audio_url"])
    alone = await client.get(path)
    client.must("an open recording", (200, recording["inum"]),
                (alone.status, alone.json()["inum"]))  # fmt: skip
    audio = await client.get(f"{path}/audio")
    client.must("audio of an open recording", 409, audio.status)
    if audio.status == 409:
        client.must("its error", True, bool(audio.json().get("error")))


async def once_complete(
    endpoints: Endpoints, recording: Json, audio: bytes, violations: list[str]
) -> None:
    """Asks for a complete recording, its audio in all kinds of ranges, and its manifest. `audio`:
    all of its bytes."""
    async with _session(endpoints) as session:
        client = Client(session, violations)
        path = f"/api/recordings/{recording['inum']}"
        by_id = f"/api/recordings/{recording['recording_id']}/audio"
        client.must("audio_url", by_id, recording["audio_url"])
        alone = await client.get(path)
        client.must("the recording by itself", (200, recording), (alone.status, alone.json()))
        answer = await client.get(f"{path}/audio")
        client.must("the whole audio", (200, True), (answer.status, answer.body == audio))
        client.must("accept-ranges", "bytes", answer.headers.get("accept-ranges"))
        await _ranges(client, f"{path}/audio", audio)
        manifest = await client.get(f"{path}/manifest")
        client.must("manifest", 200, manifest.status)
        digest = manifest.json()["audio"]["sha256"]
        client.must("the manifest's SHA-256", sha256(audio).hexdigest(), digest)
        missing = await client.get("/api/recordings/000000000000000000")
        client.must("an INUM of nothing", 404, missing.status)
    async with aiohttp.ClientSession(endpoints.console) as stranger:
        for part in ("", "/audio", "/manifest"):
            async with stranger.get(path + part) as answer:
                client.must(f"{part or 'recording'} without a token", 401, answer.status)


async def _ranges(client: Client, path: str, audio: bytes) -> None:
    size = len(audio)
    for asked, first, end in (
        ("0-0", 0, 1),
        ("0-57", 0, 58),
        (f"{size // 2}-", size // 2, size),
        ("-160", size - 160, size),
        (f"100-{size + 5}", 100, size),
    ):
        answer = await client.get(path, Range=f"bytes={asked}")
        content_range = answer.headers.get("content-range")
        client.must(f"range {asked}", (206, f"bytes {first}-{end - 1}/{size}", True),
                    (answer.status, content_range, answer.body == audio[first:end]))  # fmt: skip
    beyond = await client.get(path, Range=f"bytes={size}-")
    client.must("a range beyond the end", (416, f"bytes */{size}"),
                (beyond.status, beyond.headers.get("content-range")))  # fmt: skip
