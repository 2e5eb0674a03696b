"""`flexcapture schemas` without Kafka. With Kafka: tests/integration/test_schema_ids.py."""

import json
from pathlib import Path

import pytest

from cli.main import main
from cli.schemas.command import summary
from schemas.records import RegisteredSchema, RegisteredSchemas
from schemas.registry.register import Registration, register
from tests.schemas.foreign_registry import ForeignRegistry, foreign_registry


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")


def test_schemas_are_exported(capsys: pytest.CaptureFixture[str]) -> None:
    """Into a directory that is made if need be, and again into the same; a file there is an
    error."""
    for _ in range(2):
        assert 0 == main(["schemas", "export", "a/b"])
    index = json.loads(Path("a/b/index.json").read_text())
    assert all(Path("a/b", each["file"]).exists() for each in index["schemas"])
    assert f"{len(index['schemas'])} schemas are in a/b" in capsys.readouterr().out
    assert 1 == main(["schemas", "export", "a/b/index.json"])


def test_a_check_needs_no_kafka(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Kafka in the settings, only the registry is compared, with a note."""
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        monkeypatch.setenv("FLEXCAPTURE_SCHEMA_REGISTRY_URL", registry.url)
        assert 1 == main(["schemas", "check"])
        assert "calls-value: version 1 of Call is missing" in capsys.readouterr().out
        register(registry.url, "", 1)
        registry.requests.clear()
        assert 0 == main(["schemas", "check"])
        assert [] == registry.changes
    output = capsys.readouterr()
    assert "are as they must be" in output.out
    assert "the ids are not compared" in output.err
    assert 1 == main(["schemas", "check"])
    assert "does not answer" in capsys.readouterr().err


def test_a_registry_must_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage, unless it is optional."""
    assert 2 == main(["schemas", "check"])
    assert "FLEXCAPTURE_SCHEMA_REGISTRY_URL is not set" in capsys.readouterr().err
    assert 2 == main(["schemas", "register"])


def test_compose_may_have_no_registry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--if-configured`, the command then does nothing."""
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    assert 0 == main(["schemas", "register", "--if-configured"])
    assert "no schema registry is configured" in capsys.readouterr().err


def test_the_summary_says_which_ids_are_used() -> None:
    """Ours, or the registry's."""
    record = RegisteredSchemas("http://r", 1, (RegisteredSchema(9, "A", 3, ()),))
    assert summary(Registration(record, (), 4, False, ())).endswith("ids of its own, 3 to 3")
    assert summary(Registration(record, (), 4, True, ())).endswith("it has our fixed ids")
