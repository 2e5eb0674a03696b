"""Twilio's messages on a Media Streams socket, as values.

Source of the format: Twilio, "Media Streams - WebSocket Messages". Numbers come as strings there
and are taken as integers too; unknown events and fields are tolerated. A frame that cannot be used
is an `InvalidFrame`; only what makes the whole socket worthless is a `ProtocolViolation`.
"""

import binascii
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

TRACKS = frozenset({"inbound", "outbound"})
MAX_TIMESTAMP_MS = 25 * 60 * 60 * 1000
"""A call lasts 24 hours at the most; a timestamp beyond this is none."""

_IDENTIFIER = re.compile(r"[\x21-\x7e]{1,128}")


class Media(NamedTuple):
    """One frame. (A named tuple, as a gateway makes thousands a second.)"""

    track: str
    timestamp: int
    payload: bytes
    sequence: int | None
    stream_sid: str | None


@dataclass(frozen=True, slots=True)
class InvalidFrame:
    """A frame that cannot be used; `track` None where even that is unknown."""

    track: str | None
    reason: str
    sequence: int | None
    stream_sid: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket's first message."""


@dataclass(frozen=True, slots=True)
class Start:
    """The media stream begins. What our start request passed on comes back as parameters; those
    that were not there, or are no identifiers, are None (`generation`: 0)."""

    stream_sid: str
    call_sid: str
    account_sid: str | None
    task_sid: str | None
    name: str | None
    generation: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The media stream ended."""


@dataclass(frozen=True, slots=True)
class Other:
    """An event that does not matter here (`mark`, `dtmf`, or one not known yet)."""


@dataclass(frozen=True, slots=True)
class ProtocolViolation:
    """What no media stream of ours sends; the reason fits a close frame and quotes nothing."""

    reason: str


Message = Media | InvalidFrame | Connected | Start | Stop | Other | ProtocolViolation


def parse(text: str | bytes) -> Message:
    """The message in a text frame. Never raises."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ProtocolViolation("not JSON")
    if type(data) is not dict:
        return ProtocolViolation("not a JSON object")
    match data.get("event"):
        case "media":
            return _media(data)
        case "start":
            return _start(data)
        case "stop":
            return Stop()
        case "connected":
            return Connected()
        case _:
            return Other()


def _media(data: dict[str, Any]) -> Media | InvalidFrame:
    sequence = _whole(data.get("sequenceNumber"))
    stream_sid = data.get("streamSid")
    if type(stream_sid) is not str:
        stream_sid = None
    media = data.get("media")
    if type(media) is not dict:
        return InvalidFrame(None, "track", sequence, stream_sid)
    track = media.get("track")
    if type(track) is not str or track not in TRACKS:
        return InvalidFrame(None, "track", sequence, stream_sid)
    timestamp = _whole(media.get("timestamp"))
    if timestamp is None or timestamp > MAX_TIMESTAMP_MS:
        return InvalidFrame(track, "timestamp", sequence, stream_sid)
    payload = _decoded(media.get("payload"))
    if not payload:
        return InvalidFrame(track, "payload", sequence, stream_sid)
    return Media(track, timestamp, payload, sequence, stream_sid)


def _decoded(payload: Any) -> bytes:
    """The bytes of strict base64; none where it is none."""
    if type(payload) is not str:
        return b""
    try:
        return binascii.a2b_base64(payload, strict_mode=True)
    except ValueError:
        return b""


def _whole(value: Any) -> int | None:
    """A number >= 0, given as such or as a string of digits; None where it is none."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if type(value) is int and 0 <= value < 2**63:
        return value
    return None


def _start(data: dict[str, Any]) -> Start | ProtocolViolation:
    start = data.get("start")
    if type(start) is not dict:
        return ProtocolViolation("start without its fields")
    if not _is_mu_law(start.get("mediaFormat")):
        return ProtocolViolation("audio is not mu-law, 8 kHz, mono")
    parameters = start.get("customParameters")
    if type(parameters) is not dict:
        parameters = {}
    stream_sid = _identifier(start.get("streamSid")) or _identifier(data.get("streamSid"))
    call_sid = _identifier(start.get("callSid")) or _identifier(parameters.get("callSid"))
    if stream_sid is None or call_sid is None:
        return ProtocolViolation("start without stream SID or call SID")
    generation = _whole(parameters.get("generation")) or 0
    return Start(
        stream_sid=stream_sid,
        call_sid=call_sid,
        account_sid=_identifier(start.get("accountSid")),
        task_sid=_identifier(parameters.get("taskSid")),
        name=_identifier(parameters.get("name")),
        generation=generation if generation < 2**31 else 0,
    )


def _identifier(value: Any) -> str | None:
    return value if type(value) is str and _IDENTIFIER.fullmatch(value) else None


def _is_mu_law(media_format: Any) -> bool:
    """What is said must fit; what is not said does."""
    if type(media_format) is not dict:
        return True
    return (
        media_format.get("encoding", "audio/x-mulaw") == "audio/x-mulaw"
        and str(media_format.get("sampleRate", 8_000)) == "8000"
        and str(media_format.get("channels", 1)) == "1"
    )
