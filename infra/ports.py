"""Free ports on 127.0.0.1, chosen once per state directory and kept."""

import json
import random
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.port_holders import holder_of
from infra.state_dir import write_private

# Below the kernel's range of ports for outgoing connections: a port that is free for a moment,
# while its process restarts, must not be taken by such a connection.
_CANDIDATES = range(20_000, 32_000)


def is_free(port: int, host: str = "127.0.0.1", *, shared: bool = False) -> bool:
    """Return whether a server could listen on the port now. `shared`: other servers of this user
    may listen on it too (SO_REUSEPORT)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def chosen(names: Iterable[str], kept: Mapping[str, int], avoid: Iterable[int]) -> dict[str, int]:
    """Return a port for each name: the kept one, else a free one that no other name has. Raise
    `RuntimeError` if no port is free."""
    ports = dict(kept)
    for name in names:
        if name not in ports:
            ports[name] = _free_port({*ports.values(), *avoid})
    return ports


def kept_ports(path: Path, names: Iterable[str], avoid: Iterable[int] = ()) -> dict[str, int]:
    """Return the ports of a state directory, by name. New names get new ports, which are added to
    the file."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    ports = chosen(names, kept, avoid)
    if ports != kept:
        write_private(path, json.dumps(ports, indent=2) + "\n")
    return ports


def free_before(ports: Mapping[str, int], seconds: float) -> None:
    """Return once all ports are free. A process that was just killed may still hold its ports for a
    moment.

    Raise `RuntimeError` with the ports that are still taken after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while taken := {name: port for name, port in ports.items() if not is_free(port)}:
        if time.monotonic() > deadline:
            by = [f"port {port} ({name}) by {holder_of(port)}" for name, port in taken.items()]
            raise RuntimeError(
                f"taken by another program: {', '.join(by)}. The ports of a state "
                "directory are fixed; delete ports.json in it to have others chosen"
            )
        time.sleep(0.1)


def _free_port(taken: set[int]) -> int:
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if port not in taken and is_free(port):
            return port
    raise RuntimeError(f"no free port between {_CANDIDATES.start} and {_CANDIDATES.stop}")
