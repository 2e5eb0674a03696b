"""The monitored list."""

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class RecordingPolicy:
    """A version of the recording policy: the monitored list and the direction switches. Every
    version is kept, so that a replay uses the version that was in force at the time."""

    version: int
    published_at: int
    effective_at: int
    entries: tuple[str, ...]
    record_inbound: bool
    record_outbound: bool
    hash: str = ""
    part: int = 0
    parts: int = 1
    base: int = 0


@dataclass(frozen=True, slots=True)
class PolicyHeldBack:
    """A monitored list that a stream manager holds back because it lost too many entries."""

    hash: str
    base: int
    instance: str
    at: int
    effective_at: int
    in_force: int
    lost_entries: int
    lost: tuple[str, ...]
    added_entries: int
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyAccepted:
    """A person has accepted a monitored list that was held back."""

    hash: str
    base: int
    at: int
