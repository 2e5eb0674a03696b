"""Commands beside a running `up` find Kafka and the gateway by its endpoints.json."""

import json
from pathlib import Path

import pytest

from pipeline.runtime.endpoints import NotRunning, settings_for
from pipeline.runtime.settings import Settings

ENDPOINTS = {"kafka": "127.0.0.1:9", "gateway": "ws://127.0.0.1:8/media", "roles": {"kafka": []}}


def test_the_gateways_url_is_found_unless_it_is_set(tmp_path: Path) -> None:
    """A setting wins: the URL in the file is this machine's own."""
    (tmp_path / "endpoints.json").write_text(json.dumps(ENDPOINTS))
    found = settings_for(Settings(), tmp_path, tmp_path)
    assert ("127.0.0.1:9", "ws://127.0.0.1:8/media") == (
        found.kafka_bootstrap_servers, found.gateway_public_url,
    )  # fmt: skip
    public = Settings(gateway_public_url="wss://gateway.example.com/media")
    assert public.gateway_public_url == settings_for(public, tmp_path, tmp_path).gateway_public_url


def test_nothing_runs(tmp_path: Path) -> None:
    """Without the file there is nothing to ask."""
    with pytest.raises(NotRunning):
        settings_for(Settings(), tmp_path, tmp_path)
