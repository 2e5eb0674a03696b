"""The configuration of a role's Faust app."""

import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import pytest

from agents.faust_runner.adapter import transport
from agents.faust_runner.adapter.app_factory import LEASE_SECONDS, faust_app
from agents.faust_runner.adapter.fencing import Lease
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health


async def _nothing(partitions: Collection[int]) -> Collection[int]:
    return partitions


def app(directory: Path, **settings: Any) -> Any:
    """Return the app of a tracker."""
    values = {"kafka_bootstrap_servers": "a:9092, b:9093", "state_dir": directory, **settings}
    return faust_app(
        Settings(**values), "tracker", before_commit=_nothing, lease=cast("Lease", None),
        health=Health(), gathering_s=0.0,
    )  # fmt: skip


async def test_the_group_has_the_prefix_and_the_client_the_instance(tmp_path: Path) -> None:
    """All brokers are used."""
    conf = app(tmp_path, topic_prefix="p.", instance="tracker-1").conf
    assert "p.tracker" == conf.id
    assert "tracker-1" == conf.broker_client_id
    assert [("a", 9092), ("b", 9093)] == [(url.host, url.port) for url in conf.broker]


async def test_a_lease_ends_before_the_session(tmp_path: Path) -> None:
    """Else another process could own a partition for which this one still writes. A heartbeat is
    sent several times within a lease."""
    conf = app(tmp_path).conf
    assert LEASE_SECONDS < conf.broker_session_timeout
    assert 3 * conf.broker_heartbeat_interval < LEASE_SECONDS


@pytest.mark.parametrize(("configured", "expected"), [(3, 3), (0, 1)])
async def test_the_replicas_of_topics(tmp_path: Path, configured: int, expected: int) -> None:
    """0 means the cluster's default, which Faust does not know."""
    made = app(tmp_path, kafka_replication_factor=configured)
    assert expected == made.conf.topic_replication_factor


async def test_data_is_kept_under_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each instance has its own. Without a state directory it is this user's temporary one."""
    app(tmp_path, instance="tracker-1")
    assert (tmp_path / "faust" / "tracker-1").is_dir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    app(tmp_path, state_dir=None, instance="tracker-2")
    assert (tmp_path / f"flexcapture-{os.getuid()}" / "faust" / "tracker-2").is_dir()


async def test_the_warning_of_a_missing_monitor_is_not_logged(tmp_path: Path) -> None:
    """Faust writes it at each rebalance. Other warnings are."""
    app(tmp_path)
    logger = logging.getLogger(transport.__name__)
    texts = ("Missing sensor state for rebalance #3", "something else")
    records = [logging.LogRecord("x", 30, "", 0, text, (), None) for text in texts]
    assert [False, True] == [bool(logger.filter(record)) for record in records]
