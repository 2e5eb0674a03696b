"""Twilio's side of a Media Streams socket, as text."""

import base64
import json
from typing import Any

ACCOUNT = "AC" + "0" * 32
TASK = "WT" + "1" * 32
CALL = "CA" + "2" * 32
STREAM = "MZ" + "3" * 32


def connected() -> str:
    """The first message."""
    return json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})


def start(stream: str = STREAM, parameters: dict[str, Any] | None = None, **fields: Any) -> str:
    """The media stream begins; `fields` replace those of `start`, None leaves one out."""
    custom = {"taskSid": TASK, "callSid": CALL, "generation": "2", "name": "fc-1"}
    body = {
        "accountSid": ACCOUNT,
        "streamSid": stream,
        "callSid": CALL,
        "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": custom if parameters is None else parameters,
    } | fields
    body = {name: value for name, value in body.items() if value is not None}
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": stream, "start": body})


def media(
    track: Any,
    timestamp: Any,
    payload: bytes | str,
    sequence: Any = "2",
    stream: str | None = STREAM,
) -> str:
    """A frame; `payload` as text goes out as it is."""
    encoded = payload if isinstance(payload, str) else base64.b64encode(payload).decode()
    body = {"track": track, "chunk": "1", "timestamp": timestamp, "payload": encoded}
    message = {"event": "media", "sequenceNumber": sequence, "streamSid": stream, "media": body}
    return json.dumps({name: value for name, value in message.items() if value is not None})


def stop(stream: str = STREAM, sequence: Any = "9") -> str:
    """The media stream ended."""
    body = {"accountSid": ACCOUNT, "callSid": CALL}
    return json.dumps(
        {"event": "stop", "sequenceNumber": sequence, "streamSid": stream, "stop": body}
    )
