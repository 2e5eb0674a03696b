"""Find the process that listens on a port, for messages. Linux only; elsewhere it is not known."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENING = "0A"


def holder_of(port: int) -> str:
    """Return the process that listens on the port as text: `process 4711 (nginx)`, or `another
    program` if it is not known, because it belongs to another user, for instance."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if any(str(fd.readlink()) in sockets for fd in (process / "fd").iterdir()):
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
    return "another program"


def _listening(port: int) -> Iterator[str]:
    """Yield the inodes of the sockets that listen on the port."""
    for table in _TABLES:
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
