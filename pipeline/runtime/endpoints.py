"""The Kafka of a running `flexcapture up`, for other commands: read from its `endpoints.json`."""

import json
from pathlib import Path

from pipeline.runtime.settings import PREFIX, Settings, SettingsError


class NotRunning(RuntimeError):
    """No `flexcapture up` is running with the directory."""


def settings_for(settings: Settings, asked: Path | None, default: Path) -> Settings:
    """Return the settings with which a command reaches Kafka. These are, in this order: the Kafka
    of the `up` with the directory `asked`; the configured Kafka; the Kafka of the `up` with the
    usual directory.

    Raise `NotRunning` if no `up` runs with the directory `asked`, and `SettingsError` if there is
    no Kafka at all.
    """
    if asked is not None:
        return _of_directory(settings, asked)
    if settings.kafka_bootstrap_servers is not None:
        return settings
    directory = settings.state_dir or default
    try:
        return _of_directory(settings, directory)
    except NotRunning as error:
        raise SettingsError(f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS is not set, and {error}") from error


def _of_directory(settings: Settings, directory: Path) -> Settings:
    path = directory / "endpoints.json"
    try:
        found = json.loads(path.read_text())
        changes = {"kafka_bootstrap_servers": str(found["kafka"])}
        changes["topic_prefix"] = str(found.get("topic_prefix", settings.topic_prefix))
        if settings.gateway_public_url is None and found.get("gateway"):
            changes["gateway_public_url"] = str(found["gateway"])
        if "kafka" in found["roles"]:  # its own broker
            changes["kafka_security_protocol"] = "PLAINTEXT"
    except (OSError, ValueError, KeyError, TypeError):
        raise NotRunning(f"no `flexcapture up` runs with {directory}: {path} is missing") from None
    return settings.model_copy(update=changes)
