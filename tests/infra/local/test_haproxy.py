"""HAProxy of a state directory."""

from pathlib import Path

import pytest

from infra.local.haproxy import LocalHaproxy, WrongHaproxy
from infra.local.haproxy_configuration import Addresses, GatewayAddress

ADDRESSES = Addresses(
    "127.0.0.1:1", "127.0.0.1:2", "admin.sock", [GatewayAddress("127.0.0.1:3", 4)], None
)


def _program(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in HAProxy's place."""
    directory.mkdir()
    program = directory / "haproxy"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))
    return program


def test_its_files_are_the_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration is checked before it is run, in the directory in which it is run."""
    program = _program(tmp_path / "bin", 'echo "$@" > "$3/asked"', monkeypatch)
    directory = tmp_path / "a b"
    command = LocalHaproxy(directory, ADDRESSES).prepare()
    arguments = ["-C", str(directory), "-f", "haproxy.cfg"]
    assert [str(program), "-W", "-db", *arguments] == command
    assert f"-c {' '.join(arguments)}" == (directory / "asked").read_text().strip()
    assert 0o700 == directory.stat().st_mode & 0o777
    assert 0o600 == (directory / "haproxy.cfg").stat().st_mode & 0o777
    assert "server gateway-0 127.0.0.1:3 check port 4" in (directory / "haproxy.cfg").read_text()


def test_what_haproxy_says_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older HAProxy, say, does not know a keyword."""
    _program(tmp_path / "bin", "echo unknown keyword >&2; exit 1", monkeypatch)
    with pytest.raises(WrongHaproxy, match="unknown keyword"):
        LocalHaproxy(tmp_path / "state", ADDRESSES).prepare()
