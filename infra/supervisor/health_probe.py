"""Ask a process for its health."""

import asyncio

from pipeline.runtime.settings import Role

_SECONDS = 3.0

_OF_THE_LIST = frozenset({"monitored-list", "policy", "warning"})


async def health_of(address: str) -> tuple[int, str]:
    """Return HTTP status and text of `/healthz` at "host:port"; status 0 and the reason if there is
    no answer."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                writer.write(f"GET /healthz HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
                head, _, body = (await reader.read(16_384)).partition(b"\r\n\r\n")
                body += await reader.read(16_384)
            finally:
                writer.close()
    except TimeoutError:
        return 0, "does not answer"
    except OSError:
        return 0, "not listening yet"
    words = head.split(maxsplit=2)
    if len(words) < 2 or not words[1].isdigit():
        return 0, "does not answer in HTTP"
    return int(words[1]), body.decode(errors="replace").strip()


def is_waiting_for_a_list(role: str, status: int, text: str) -> bool:
    """Return whether a stream manager works and is unhealthy only because of the monitored list.
    The other roles must not wait for the list: `flexcapture policy accept` needs the pipeline."""
    reasons = [line.split(":")[0] for line in text.splitlines()]
    return role == Role.STREAM_MANAGER and status == 503 and {*reasons} <= _OF_THE_LIST


def is_only(text: str, name: str) -> bool:
    """Return whether a health check gives only this reason. Warnings do not count."""
    return {line.split(":")[0] for line in text.splitlines()} - {"warning"} == {name}
