"""The installation that a command is about."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.twilio.kinesis import KinesisAccess
from cli.twilio.target import Target, target_of
from pipeline.runtime.endpoints import NotRunning
from pipeline.runtime.settings import Settings

ENDPOINTS = {
    "kafka": "127.0.0.1:7001", "topic_prefix": "u.", "gateway": "ws://127.0.0.1:7002/media",
    "roles": {"kafka": {}, "kinesis": {}}, "kinesis": "http://127.0.0.1:7003",
    "kinesis_stream": "up-events", "kinesis_region": "us-west-2",
}  # fmt: skip


def up(directory: Path, endpoints: Any = ENDPOINTS) -> Path:
    """Let an `up` run with the directory."""
    (directory / "endpoints.json").write_text(json.dumps(endpoints))
    return directory


def test_the_settings_alone_are_enough(tmp_path: Path) -> None:
    """No `up` runs here."""
    settings = Settings(kinesis_stream="own", aws_region="eu-west-1", topic_prefix="p.")
    expected = Target(settings, KinesisAccess("own", "eu-west-1"))
    assert expected == target_of(settings, None, tmp_path)


def test_a_running_up_is_complete_by_itself(tmp_path: Path) -> None:
    """Its Kafka, its emulator, its gateway, its database and its recordings."""
    found = target_of(Settings(), None, up(tmp_path))
    assert KinesisAccess(
        "up-events", "us-west-2", "http://127.0.0.1:7003", ("emulator", "emulator")
    ) == (found.kinesis)
    settings = found.settings
    assert ("127.0.0.1:7001", "u.", "ws://127.0.0.1:7002/media", "PLAINTEXT") == (
        settings.kafka_bootstrap_servers, settings.topic_prefix, settings.gateway_public_url,
        settings.kafka_security_protocol,
    )  # fmt: skip
    assert (f"sqlite:///{tmp_path}/flexcapture.db", f"{tmp_path.as_uri()}/recordings") == (
        settings.database_url, settings.recordings_url,
    )  # fmt: skip
    assert (tmp_path, True) == (found.directory, found.own_kinesis)


def test_configured_parts_are_kept(tmp_path: Path) -> None:
    """An `up` with a Kafka and a Kinesis of its own settings has no others."""
    settings = Settings(
        kafka_bootstrap_servers="kafka.test:9092", topic_prefix="p.", kinesis_stream="own",
        gateway_public_url="wss://voice.example.com/media", database_url="sqlite:////a.db",
        recordings_url="s3://bucket/x", aws_region="eu-west-1",
    )  # fmt: skip
    found = target_of(settings, None, up(tmp_path, {**ENDPOINTS, "roles": {"gateway": {}}}))
    assert (settings, KinesisAccess("own", "eu-west-1"), False) == (
        found.settings, found.kinesis, found.own_kinesis,
    )  # fmt: skip


def test_an_own_broker_comes_before_the_configured_one(tmp_path: Path) -> None:
    """The `up` started it for its roles."""
    settings = Settings(kafka_bootstrap_servers="kafka.test:9092", topic_prefix="p.")
    found = target_of(settings, tmp_path, up(tmp_path)).settings
    assert ("127.0.0.1:7001", "u.") == (found.kafka_bootstrap_servers, found.topic_prefix)


@pytest.mark.parametrize("content", ["", "no JSON", "[]"])
def test_an_up_that_was_asked_for_must_run(tmp_path: Path, content: str) -> None:
    """A damaged file counts as none. The usual directory may be without an `up`."""
    (tmp_path / "endpoints.json").write_text(content)
    with pytest.raises(NotRunning, match=str(tmp_path)):
        target_of(Settings(), tmp_path, tmp_path)
    assert target_of(Settings(aws_region="x"), None, tmp_path).directory is None
