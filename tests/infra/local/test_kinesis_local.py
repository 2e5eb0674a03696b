"""kinesis-local for tests of shard changes: its installation and its process."""

import signal
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.local import kinesis_local
from infra.local.downloads import MissingTool
from infra.local.kinesis import LocalKinesis

LOCAL = LocalKinesis(4_567, "eu-west-1", "flex-events")


def test_a_missing_node_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed then."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(kinesis_local, "kept", lambda name: tmp_path / name)
    with pytest.raises(MissingTool, match="apt install npm"):
        kinesis_local.kinesis_local()
    assert not (tmp_path / "kinesis-local").exists()


def test_it_runs_during_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own directory, on the configured port, without the settings of this process. It is
    killed with all its processes, also if the block fails."""
    started: dict[str, Any] = {}
    ended: list[Any] = []

    def popen(command: list[str], **more: Any) -> Any:
        started.update(more, command=command)
        return SimpleNamespace(pid=77, wait=lambda: ended.append("waited"))

    monkeypatch.setenv("FLEXCAPTURE_SECRET", "x")
    monkeypatch.setattr(kinesis_local, "kinesis_local", lambda: tmp_path)
    monkeypatch.setattr(kinesis_local.subprocess, "Popen", popen)
    monkeypatch.setattr(kinesis_local, "signal_all", lambda *a: ended.append(a))
    with suppress(KeyError), kinesis_local.running(LOCAL, tmp_path / "log") as running:
        assert LOCAL is running
        assert [] == ended
        raise KeyError
    assert [(77, signal.SIGKILL), "waited"] == ended
    assert ["node", "main.js"] == started["command"][-2:]
    environment = started["env"]
    assert (tmp_path, "4567") == (started["cwd"], environment["KINESIS_MOCK_PLAIN_PORT"])
    assert "4567" != environment["KINESIS_MOCK_TLS_PORT"]
    assert "FLEXCAPTURE_SECRET" not in environment
    durations = {name for name in environment if name.endswith("_DURATION")}
    assert {"SPLIT_SHARD_DURATION", "MERGE_SHARDS_DURATION"} <= durations
