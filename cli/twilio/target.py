"""The installation that a command concerns: its settings, with the addresses of a running `up`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.kinesis_reader import DEFAULT_STREAM
from cli.twilio.kinesis import KinesisAccess
from pipeline.runtime.endpoints import NotRunning
from pipeline.runtime.settings import Settings

_EMULATOR_KEYS = ("emulator", "emulator")


@dataclass(frozen=True, slots=True)
class Target:
    """The installation. `settings`: with the Kafka, gateway, database and store of the `up` that
    runs with `directory`, if they are not set; `directory`: None if no `up` runs with it;
    `own_kinesis`: the `up` runs a Kinesis emulator."""

    settings: Settings
    kinesis: KinesisAccess
    directory: Path | None = None
    own_kinesis: bool = False


def target_of(settings: Settings, asked: Path | None, default: Path) -> Target:
    """Return the installation of the `up` with the directory `asked`, else that of the settings,
    completed by the `up` with the usual directory. Raise `NotRunning` if no `up` runs with the
    directory `asked`."""
    directory = asked or settings.state_dir or default
    endpoints = _endpoints(directory)
    if endpoints is None:
        if asked is not None:
            path = directory / "endpoints.json"
            raise NotRunning(f"no `flexcapture up` runs with {directory}: {path} is missing")
        return Target(settings, _configured(settings))
    roles = endpoints.get("roles")
    own = set(roles) if isinstance(roles, dict) else set()
    has_emulator = "kinesis" in own
    kinesis = _emulator(endpoints) if has_emulator else _configured(settings)
    completed = settings.model_copy(update=_completed(settings, endpoints, directory, own))
    return Target(completed, kinesis, directory, has_emulator)


def _completed(
    settings: Settings, endpoints: Mapping[str, Any], directory: Path, own: set[str]
) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "kafka" in own or settings.kafka_bootstrap_servers is None:
        changes["kafka_bootstrap_servers"] = str(endpoints.get("kafka"))
        changes["topic_prefix"] = str(endpoints.get("topic_prefix", settings.topic_prefix))
    if "kafka" in own:
        changes["kafka_security_protocol"] = "PLAINTEXT"
    if settings.gateway_public_url is None and endpoints.get("gateway"):
        changes["gateway_public_url"] = str(endpoints["gateway"])
    if settings.database_url is None:
        changes["database_url"] = f"sqlite:///{(directory / 'flexcapture.db').absolute()}"
    if settings.recordings_url is None:
        changes["recordings_url"] = (directory / "recordings").absolute().as_uri()
    return changes


def _configured(settings: Settings) -> KinesisAccess:
    return KinesisAccess(
        settings.kinesis_stream or DEFAULT_STREAM,
        settings.region(),
        settings.aws_endpoint_url_kinesis,
    )


def _emulator(endpoints: Mapping[str, Any]) -> KinesisAccess:
    return KinesisAccess(
        str(endpoints.get("kinesis_stream")),
        str(endpoints.get("kinesis_region")),
        str(endpoints.get("kinesis")),
        _EMULATOR_KEYS,
    )


def _endpoints(directory: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads((directory / "endpoints.json").read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
