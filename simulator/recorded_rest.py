"""The REST requests about Twilio's own recordings (`recorded.py`)."""

import base64
import os
import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simulator.admin_rest import paged as paged_v1
from simulator.events import rfc2822
from simulator.media import clock
from simulator.mulaw import decoded_sample
from simulator.recorded import ConferenceRecording, RecordedConferences, RecordingStatus
from simulator.script import Json
from simulator.world import ApiError, World, not_found

Page = Callable[[str, list[Json], web.Request], web.Response]
"""Returns one page of a list as a response."""

_LINEAR = np.array([decoded_sample(code) for code in range(256)], "<i2")
_SIDS = {"CallSid": "CA", "ConferenceSid": "CF"}
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
_QUERY = frozenset(
    {"CallSid", "ConferenceSid", "DateCreated", "DateCreated>", "DateCreated<"}
    | {"IncludeSoftDeleted", "PageSize", "Page", "PageToken"}
)


class RecordedRest:
    """Handles the requests about the recordings of one account.

    `public_key`: the account's, for recordings that are encrypted; `without_ranges`: give whole
    files only; `media_requests`: SIDs of recordings, for each request for audio; `audio_sent`:
    the files, by SID and number of channels.
    """

    def __init__(self, world: World, account_sid: str, page: Page) -> None:
        self.recorded = RecordedConferences(world)
        self.public_key: rsa.RSAPublicKey | None = None
        self._account, self._page = account_sid, page
        self.without_ranges = False
        self.media_requests: list[str] = []
        self.audio_sent: dict[str, bytes] = {}
        self._envelopes: dict[str, Json] = {}

    def add_routes(self, application: web.Application, account: str) -> None:
        """Add the routes; `account` is the path of the account."""
        router = application.router
        router.add_get(account + "/Recordings.json", self._list)
        router.add_get(account + "/Calls/{call}/Recordings.json", self._list)
        router.add_get(account + "/Conferences/{conference}/Recordings.json", self._list)
        router.add_get(account + "/Recordings/{recording}.json", self._one)
        router.add_delete(account + "/Recordings/{recording}.json", self._delete)
        router.add_get(account + "/Recordings/{recording}.wav", self._media)
        router.add_get("/insights/v1/Conferences/{conference}/Participants", self._participants)

    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        if unknown := query.keys() - _QUERY:
            raise ApiError(400, 20001, f"Unknown parameter: {min(unknown)}")
        for name, prefix in _SIDS.items():
            if name in query and not re.fullmatch(f"{prefix}[0-9a-f]{{32}}", query[name]):
                raise ApiError(400, 20001, f"Invalid {name}: {query[name]!r}")
        call = request.match_info.get("call", query.get("CallSid"))
        conference = request.match_info.get("conference", query.get("ConferenceSid"))
        found = [
            recording
            for recording in self.recorded.all(clock())
            if call in (None, recording.call_sid)
            and conference in (None, recording.conference_sid)
            and _is_within(recording, query)
            and (
                recording.status is not RecordingStatus.DELETED
                or query.get("IncludeSoftDeleted") == "true"
            )
        ]
        return self._page("recordings", [self._resource(r) for r in found], request)

    async def _one(self, request: web.Request) -> web.Response:
        return web.json_response(self._resource(self._found(request)))

    async def _delete(self, request: web.Request) -> web.Response:
        self.recorded.deleted.add(self._found(request).sid)
        return web.Response(status=204)

    async def _participants(self, request: web.Request) -> web.Response:
        sid = request.match_info["conference"]
        if sid not in self.recorded.world.conferences:
            raise not_found(request.path)
        left = self.recorded.left(sid)
        rows = [
            self._participant(sid, call_sid, at, left.get(call_sid))
            for call_sid, at in self.recorded.joined(sid)
        ]
        return paged_v1(request, "participants", rows)

    def _participant(
        self, conference_sid: str, call_sid: str, joined_at: int, left_at: int | None
    ) -> Json:
        ends = self.recorded.world.legs[call_sid].ends
        return {
            "participant_sid": f"CP{call_sid[2:]}",
            "call_sid": call_sid,
            "conference_sid": conference_sid,
            "account_sid": self._account,
            "from": ends.caller,
            "to": ends.called,
            "call_direction": "inbound" if ends.direction == "inbound" else "outbound",
            "call_status": "answered" if left_at is None else "completed",
            "is_coach": False,
            "join_time": _iso(joined_at),
            "leave_time": None if left_at is None else _iso(left_at),
        }

    async def _media(self, request: web.Request) -> web.Response:
        recording = self._found(request)
        self.media_requests.append(recording.sid)
        if recording.status is not RecordingStatus.COMPLETED:
            raise not_found(request.path)
        wanted = request.query.get("RequestedChannels", "1")
        if wanted not in ("1", "2"):
            raise ApiError(400, 20001, f"Invalid RequestedChannels: {wanted!r}")
        if wanted == "2" and recording.channels == 1:
            raise ApiError(400, 16113, "Requested channels exceed the recording's channels")
        return self._ranged(request, self._content(recording, int(wanted)))

    def _ranged(self, request: web.Request, content: bytes) -> web.Response:
        wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
        if wanted is None or self.without_ranges:
            return web.Response(body=content, content_type="audio/x-wav")
        first = int(wanted[1])
        if first >= len(content):
            headers = {"Content-Range": f"bytes */{len(content)}"}
            return web.Response(status=416, headers=headers)
        last = min(int(wanted[2] or len(content)), len(content) - 1)
        headers = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        body = content[first : last + 1]
        return web.Response(status=206, body=body, headers=headers, content_type="audio/x-wav")

    def _found(self, request: web.Request) -> ConferenceRecording:
        found = self.recorded.find(request.match_info["recording"], clock())
        if found is None:
            raise not_found(request.path)
        return found

    def _content(self, recording: ConferenceRecording, channels: int) -> bytes:
        name = f"{recording.sid}/{channels}"
        if name not in self.audio_sent:
            sides = self.recorded.channels(recording)
            plain = wav_of(*sides) if channels == 2 else wav_of(mixed(*sides))
            self.audio_sent[name] = self._sealed(recording, plain)
        return self.audio_sent[name]

    def _sealed(self, recording: ConferenceRecording, plain: bytes) -> bytes:
        if not recording.encrypted:
            return plain
        assert self.public_key is not None, "an encrypted recording needs the account's public key"
        key, iv = AESGCM.generate_key(256), os.urandom(12)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label=None)
        self._envelopes[recording.sid] = {
            "encryption_public_key_sid": "CR" + "0" * 32,
            "encryption_cek": base64.b64encode(self.public_key.encrypt(key, oaep)).decode(),
            "encryption_iv": base64.b64encode(iv).decode(),
        }
        return AESGCM(key).encrypt(iv, plain, None)

    def _resource(self, recording: ConferenceRecording) -> Json:
        path = f"/2010-04-01/Accounts/{self._account}/Recordings/{recording.sid}"
        is_over = recording.status not in (RecordingStatus.IN_PROGRESS, RecordingStatus.PROCESSING)
        seconds = (recording.ended_at - recording.started_at) // 1000
        if recording.encrypted and recording.status is RecordingStatus.COMPLETED:
            self._content(recording, 1)
        return {
            "sid": recording.sid,
            "account_sid": self._account,
            "call_sid": recording.call_sid,
            "conference_sid": recording.conference_sid,
            "status": recording.status.value,
            "channels": recording.channels,
            "source": "Conference",
            "track": "both",
            "duration": str(seconds) if is_over else "-1",
            "start_time": rfc2822(recording.started_at),
            "date_created": rfc2822(recording.started_at),
            "date_updated": rfc2822(recording.ended_at if is_over else clock()),
            "encryption_details": self._envelopes.get(recording.sid),
            "error_code": None,
            "price": None,
            "api_version": "2010-04-01",
            "uri": path + ".json",
        }


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()


def wav_of(*channels: bytes) -> bytes:
    """Return a WAV file of 16-bit PCM at 8 kHz, of mu-law channels of the same length."""
    samples = np.array([_LINEAR[np.frombuffer(channel, np.uint8)] for channel in channels])
    data, count = samples.T.tobytes(), len(channels)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, count,
        8_000, 16_000 * count, 2 * count, 16, b"data", len(data),
    )  # fmt: skip
    return head + data


def mixed(one: bytes, other: bytes) -> bytes:
    """Return one channel with the louder of both samples: the double's people take turns. Of two
    samples that are equally loud it is the positive one, so that the order does not matter."""
    codes = np.array([np.frombuffer(side, np.uint8) for side in (one, other)])
    ranks = 2 * np.abs(_LINEAR[codes].astype(np.int32)) + (codes >> 7)
    louder: bytes = np.where(ranks[0] >= ranks[1], *codes).tobytes()
    return louder


def _is_within(recording: ConferenceRecording, query: dict[str, str]) -> bool:
    """Return whether it was created within the days (UTC) in the query."""
    day = datetime.fromtimestamp(recording.started_at / 1000, UTC).date().isoformat()
    return (
        query.get("DateCreated", day)[:10] == day
        and query.get("DateCreated>", "")[:10] <= day <= query.get("DateCreated<", "9999")[:10]
    )
