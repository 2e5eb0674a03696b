"""Nothing that could reach a real service goes into the demo's pipeline."""

import os
import sys
from pathlib import Path

import pytest

from simulator.pipeline_process import PipelineDied, PipelineProcess, environment, ignored

STUB = """
import json, os, pathlib, signal, sys
print("starting")
endpoints = {"pid": os.getpid(), "kinesis": "k", "kinesis_region": "r", "kinesis_stream": "s",
        "console": "c", "console_token": "t", "roles": {"gateway": [{"pid": 1, "http": "h:1"}]}}
path = pathlib.Path(sys.argv[-1]) / "endpoints.json"
path.with_suffix(".new").write_text(json.dumps(endpoints))
path.with_suffix(".new").replace(path)
signal.sigwait({signal.SIGTERM})
print("stopping")
"""
"""Says that it is ready, and ends when it is asked to."""

DYING = "import sys; print('in use'); sys.exit(3)"


async def test_pipeline_is_started_and_stopped(tmp_path: Path) -> None:
    """Stale endpoints are not taken for its own; leaving ends it in good order."""
    (tmp_path / "endpoints.json").write_text(
        '{"pid": 1, "kinesis": "", "kinesis_region": "", "kinesis_stream": "", "console": "", '
        '"console_token": "", "roles": {}}'
    )
    lines: list[str] = []
    masked = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
    command = (sys.executable, "-c", masked + STUB)
    async with PipelineProcess(tmp_path, dict(os.environ), lines.append, command) as pipeline:
        endpoints = await pipeline.ready()
    assert (("h:1",), "t") == (endpoints.gateway_metrics, endpoints.console_token)
    assert ["starting", "stopping"] == lines


async def test_death_is_reported(tmp_path: Path) -> None:
    """When the process ends by itself, its exit status and its last output are reported."""
    command = (sys.executable, "-c", DYING)
    async with PipelineProcess(tmp_path, dict(os.environ), lambda _: None, command) as pipeline:
        with pytest.raises(PipelineDied, match="in use") as died:
            await pipeline.died()
    assert 3 == died.value.status


def test_environment_is_the_demos_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings for Kafka, Kinesis, Twilio and AWS are dropped, harmless ones stay."""
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "real:9092")
    monkeypatch.setenv("FLEXCAPTURE_TWILIO_AUTH_TOKEN", "real")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", "https://real")
    monkeypatch.setenv("AWS_PROFILE", "real")
    monkeypatch.setenv("FLEXCAPTURE_PROCESSES", "tracker=2")
    made = environment({"TWILIO_AUTH_TOKEN": "own"})
    assert "real" not in " ".join(made[name] for name in made if "FLEX" in name or "AWS" in name)
    assert "own" == made["FLEXCAPTURE_TWILIO_AUTH_TOKEN"]
    assert "tracker=2" == made["FLEXCAPTURE_PROCESSES"]
    assert "1" == made["FLEXCAPTURE_NO_ENV_FILE"]


def test_ignored_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lake is inherited if it is a directory, and named if it is a bucket."""
    for name in [name for name in os.environ if name.startswith("FLEXCAPTURE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "real:9092")
    monkeypatch.setenv("FLEXCAPTURE_LAKE_URL", "file:///lake")
    assert ["FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS"] == ignored()
    assert "file:///lake" == environment({})["FLEXCAPTURE_LAKE_URL"]
    monkeypatch.setenv("FLEXCAPTURE_LAKE_URL", "s3://real/lake")
    assert "FLEXCAPTURE_LAKE_URL" in ignored()
    assert "FLEXCAPTURE_LAKE_URL" not in environment({})
