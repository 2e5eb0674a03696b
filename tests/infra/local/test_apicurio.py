"""Apicurio Registry for tests. Tests with it: tests/integration/test_registries.py."""

from pathlib import Path

import pytest

from infra.local import apicurio
from infra.local.apicurio import OLDEST_JAVA, running_apicurio


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
