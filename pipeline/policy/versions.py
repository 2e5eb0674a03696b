"""Versions of the policy as records: content hashes, and the parts of a long list."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from schemas.records import RecordingPolicy

PART_BYTES = 500_000
"""The greatest size (bytes, UTF-8) of the entries of one part; a single entry may be larger."""

_PartsKey = tuple[int, str, int, int]


def content_hash(entries: Iterable[str], *, inbound: bool, outbound: bool) -> str:
    """Return the SHA-256, in hexadecimal, of a version's entries, in any order, and its
    switches."""
    lines = [f"inbound={inbound}", f"outbound={outbound}", *sorted(entries)]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def hash_of(policy: RecordingPolicy) -> str:
    """Return the content hash of a whole version, also if it was written without a hash."""
    inbound, outbound = policy.record_inbound, policy.record_outbound
    return policy.hash or content_hash(policy.entries, inbound=inbound, outbound=outbound)


def parts_of(policy: RecordingPolicy, part_bytes: int = PART_BYTES) -> tuple[RecordingPolicy, ...]:
    """Return the records of a whole version, at least one; each has the version's content hash."""
    chunks: list[list[str]] = [[]]
    size = 0
    for entry in policy.entries:
        bytes_ = len(entry.encode("utf-8", "surrogatepass"))
        if chunks[-1] and size + bytes_ > part_bytes:
            chunks.append([])
            size = 0
        chunks[-1].append(entry)
        size += bytes_
    whole = replace(policy, hash=hash_of(policy), parts=len(chunks))
    return tuple(
        replace(whole, entries=tuple(chunk), part=number) for number, chunk in enumerate(chunks)
    )


def key_of(record: RecordingPolicy) -> str:
    """Return the key of a version's record: the version's number, and from the second part on also
    the part's number."""
    return str(record.version) if record.part == 0 else f"{record.version}-{record.part}"


@dataclass(slots=True)
class Assembly:
    """Assembles versions from their parts, which may come in any order and repeatedly."""

    _waiting: dict[_PartsKey, dict[int, RecordingPolicy]] = field(default_factory=dict)

    def add(self, record: RecordingPolicy) -> RecordingPolicy | None:
        """Return the whole version once all its parts are there, else None."""
        if record.parts == 1:
            return record
        key = (record.version, record.hash, record.effective_at, record.parts)
        parts = self._waiting.setdefault(key, {})
        parts[record.part] = record
        if len(parts) < record.parts:
            return None
        del self._waiting[key]
        return _joined([parts[number] for number in sorted(parts)])


def is_damaged(policy: RecordingPolicy) -> bool:
    """Return whether a whole version's content does not match its hash."""
    return bool(policy.hash) and policy.hash != hash_of(replace(policy, hash=""))


def _joined(parts: Sequence[RecordingPolicy]) -> RecordingPolicy:
    entries = tuple(entry for part in parts for entry in part.entries)
    return replace(parts[0], entries=entries, part=0, parts=1)
