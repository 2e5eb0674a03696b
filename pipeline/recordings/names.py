"""How a recording and what is stored of it are called."""

import hashlib
from datetime import UTC, datetime

SEGMENTS = "segments"
"""The directory of the segments of recordings that are not complete."""


def inum(stream_sid: str, started_at: int) -> str:
    """The INUM: 18 decimal digits, the second in which the recording began (`started_at`, ms) and
    the SHA-256 of the stream SID as an integer, modulo 10^8."""
    number = int.from_bytes(hashlib.sha256(stream_sid.encode()).digest(), "big") % 10**8
    return f"{started_at // 1000:010d}{number:08d}"


def audio_key(stream_sid: str, started_at: int) -> str:
    """The WAV's key in the recordings store: a directory a day (UTC), in it one a recording."""
    return f"{_directory(stream_sid, started_at)}/{inum(stream_sid, started_at)}.wav"


def manifest_key(stream_sid: str, started_at: int) -> str:
    """The manifest's key, beside the WAV's."""
    return f"{_directory(stream_sid, started_at)}/{inum(stream_sid, started_at)}.json"


def segment_key(stream_sid: str, started_at: int, index: int) -> str:
    """A segment's key. All lie in one directory, so that one listing finds what was left over."""
    return f"{SEGMENTS}/{_unique(stream_sid, started_at)}-{index:06d}"


def draft_key(stream_sid: str, started_at: int) -> str:
    """The key of the WAV that is in the making, in a store where files can grow."""
    return f"{SEGMENTS}/{_unique(stream_sid, started_at)}-draft.wav"


def entries_key(stream_sid: str, started_at: int) -> str:
    """The key of what its manifest will say of its segments so far, a line each."""
    return f"{SEGMENTS}/{_unique(stream_sid, started_at)}-entries.json"


def _directory(stream_sid: str, started_at: int) -> str:
    day = datetime.fromtimestamp(started_at / 1000, UTC)
    return f"{day:%Y/%m/%d}/{_unique(stream_sid, started_at)}"


def _unique(stream_sid: str, started_at: int) -> str:
    # Two media streams that begin in the same second share an INUM once in 10^8 times. With 64 more
    # bits of the hash neither ever overwrites the other's audio.
    more = hashlib.sha256(stream_sid.encode()).hexdigest()[:16]
    return f"{inum(stream_sid, started_at)}-{more}"
