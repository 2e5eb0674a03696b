"""Twilio's messages on a Media Streams socket, as values.

Source of the format: Twilio, "Media Streams - WebSocket Messages". Twilio sends numbers as strings;
numbers are accepted too. Unknown events and fields are ignored, and JSON that only lenient parsers
accept is read (`pipeline/lenient_json.py`). A frame that cannot be used becomes an `InvalidFrame`.
Only a message that makes the whole socket useless becomes a `ProtocolViolation`.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from pipeline.lenient_json import Unreadable, lenient
from pipeline.twilio.sids import SidKind, invalid_in, sid_in

MAX_TIMESTAMP_MS = 25 * 60 * 60 * 1000
"""A call lasts at most 24 hours. A greater timestamp is invalid."""

_IDENTIFIER = re.compile(r"[\x21-\x7e]{1,128}")
_START_SIDS = {
    "accountSid": SidKind.ACCOUNT,
    "callSid": SidKind.CALL,
    "streamSid": SidKind.MEDIA_STREAM,
}
_PARAMETER_SIDS = {"callSid": SidKind.CALL, "taskSid": SidKind.TASK}
_UNREADABLE = (msgspec.DecodeError, RecursionError)


Timestamp = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMESTAMP_MS)]
Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Payload = Annotated[bytes, msgspec.Meta(min_length=1)]


class Frame(msgspec.Struct, gc=False):
    """A piece of a track, usually 20 ms. `timestamp`: ms of media time; `payload`: mu-law
    samples."""

    track: Literal["inbound", "outbound"]
    timestamp: Timestamp
    payload: Payload


class Media(
    msgspec.Struct,
    gc=False,
    tag_field="event",
    tag="media",
    rename={"frame": "media", "sequence": "sequenceNumber", "stream_sid": "streamSid"},
):
    """A message with a frame in its usual form. `sequence`: the message's number on the connection,
    or None if it has no usable number."""

    frame: Frame
    sequence: Sequence | None = None
    stream_sid: str | None = None


_media_decoder = msgspec.json.Decoder(Media, strict=False)


@dataclass(frozen=True, slots=True)
class InvalidFrame:
    """A frame that cannot be used. `track`: None if it is not known."""

    track: str | None
    reason: str
    sequence: int | None
    stream_sid: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket's first message."""


@dataclass(frozen=True, slots=True)
class Start:
    """The start of the media stream. Twilio returns the parameters of our start request; parameters
    that are missing or are not identifiers are None (`generation`: 0). `sequence`: as in `Media`.
    `invalid_sids`: the kinds of SIDs in the wrong form, which count as absent."""

    stream_sid: str
    call_sid: str
    account_sid: str | None
    task_sid: str | None
    name: str | None
    generation: int
    sequence: int | None
    invalid_sids: tuple[SidKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of the media stream. `sequence`: as in `Media`."""

    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Other:
    """An event that is not used (`mark`, `dtmf`, or an unknown one). Only its `sequence` number
    matters: without it, the next frame's number would look like a gap."""

    sequence: int | None


@dataclass(frozen=True, slots=True)
class ProtocolViolation:
    """A message that violates the protocol. `reason` fits in a close frame and quotes nothing from
    the message. `invalid_sids`: as in `Start`."""

    reason: str
    invalid_sids: tuple[SidKind, ...] = ()


Message = Media | InvalidFrame | Connected | Start | Stop | Other | ProtocolViolation


def parse(text: str | bytes) -> Message:
    """Return the message in a text frame. Never raise."""
    try:
        return _media_decoder.decode(text)
    except _UNREADABLE:
        return _other(text)


def _other(text: str | bytes) -> Message:
    try:
        data = _decoded(text)
    except Unreadable:
        return ProtocolViolation("not JSON")
    if type(data) is not dict:
        return ProtocolViolation("not a JSON object")
    match data.get("event"):
        case "media":
            return _invalid(data)
        case "start":
            return _start(data)
        case "stop":
            return Stop(whole_number(data.get("sequenceNumber")))
        case "connected":
            return Connected()
        case _:
            return Other(whole_number(data.get("sequenceNumber")))


def _decoded(text: str | bytes) -> Any:
    """Return the message's JSON. Raise `Unreadable`."""
    try:
        return msgspec.json.decode(text)
    except _UNREADABLE:
        return lenient(text)


def _invalid(data: dict[str, Any]) -> Media | InvalidFrame:
    """Return a frame in an unusual form, or the reason why it is invalid."""
    media, sequence = data.get("media"), whole_number(data.get("sequenceNumber"))
    stream_sid = data.get("streamSid")
    track = media.get("track") if type(media) is dict else None
    stream_sid = stream_sid if type(stream_sid) is str else None
    if type(media) is not dict or track not in ("inbound", "outbound"):
        return InvalidFrame(None, "track", sequence, stream_sid)
    try:
        timestamp = msgspec.convert(media.get("timestamp"), Timestamp, strict=False)
    except msgspec.ValidationError:
        return InvalidFrame(track, "timestamp", sequence, stream_sid)
    try:
        payload = msgspec.convert(media.get("payload"), Payload)
    except msgspec.ValidationError:
        return InvalidFrame(track, "payload", sequence, stream_sid)
    return Media(Frame(track, timestamp, payload), sequence, stream_sid)


def whole_number(value: Any) -> int | None:
    """Return a number >= 0, given as a number or as a string of digits; None if it is neither."""
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
    invalid = (*invalid_in(start, _START_SIDS), *invalid_in(parameters, _PARAMETER_SIDS))
    stream_sid = _first_sid(SidKind.MEDIA_STREAM, "streamSid", start, data)
    call_sid = _first_sid(SidKind.CALL, "callSid", start, parameters)
    if stream_sid is None or call_sid is None:
        return ProtocolViolation("start without stream SID or call SID", invalid)
    generation = whole_number(parameters.get("generation")) or 0
    return Start(
        stream_sid=stream_sid,
        call_sid=call_sid,
        account_sid=sid_in(start, "accountSid", SidKind.ACCOUNT),
        task_sid=sid_in(parameters, "taskSid", SidKind.TASK),
        name=_identifier(parameters.get("name")),
        generation=generation if generation < 2**31 else 0,
        sequence=whole_number(data.get("sequenceNumber")),
        invalid_sids=invalid,
    )


def _first_sid(kind: SidKind, name: str, *places: dict[str, Any]) -> str | None:
    return next((sid for place in places if (sid := sid_in(place, name, kind))), None)


def _identifier(value: Any) -> str | None:
    return value if type(value) is str and _IDENTIFIER.fullmatch(value) else None


def _is_mu_law(media_format: Any) -> bool:
    """Return whether the format is mu-law, 8 kHz, one channel. Missing fields count as correct."""
    if type(media_format) is not dict:
        return True
    return (
        media_format.get("encoding", "audio/x-mulaw") == "audio/x-mulaw"
        and str(media_format.get("sampleRate", 8_000)) == "8000"
        and str(media_format.get("channels", 1)) == "1"
    )
