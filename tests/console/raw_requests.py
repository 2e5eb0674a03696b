"""Requests to the console in bytes."""

from console.safety import SAFETY_HEADERS

FORM = b"application/x-www-form-urlencoded"


def assert_safe(heads: list[bytes]) -> None:
    """No 500; the safety headers; no `Server`."""
    for head in heads:
        status, *lines = head.split(b"\r\n")
        assert not status.startswith((b"500", b"501")), head
        names = {line.split(b":")[0].lower() for line in lines}
        if not status.startswith(b"100"):
            assert {name.lower().encode() for name in SAFETY_HEADERS} <= names, head
        assert b"server" not in names
