"""Monitored lists for tests."""

from schemas.records import RecordingPolicy

T = 1_000_000


def listing(*entries: str, version: int = 1, at: int = 0, **switches: bool) -> RecordingPolicy:
    on = {"record_inbound": True, "record_outbound": True} | switches
    return RecordingPolicy(version, at, at, entries, on["record_inbound"], on["record_outbound"])
