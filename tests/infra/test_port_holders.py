"""Processes that listen on a port."""

import os
import socket
from pathlib import Path

from infra.port_holders import holder_of


def test_the_process_that_listens_is_named() -> None:
    """With its id and its name. A port on which nothing listens has no known holder."""
    name = Path("/proc/self/comm").read_text().strip()
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((host, 0), family=family) as listener:
            port = listener.getsockname()[1]
            assert f"process {os.getpid()} ({name})" == holder_of(port)
        assert "another program" == holder_of(port)


def test_a_connection_is_no_holder() -> None:
    """Only sockets that listen are looked at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        port = client.getsockname()[1]
        assert "another program" == holder_of(port)
        client.close()
