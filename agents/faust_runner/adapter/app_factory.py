"""Configure the Faust app of a role. Every setting that matters is given explicitly."""

import logging
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from agents.faust_runner.adapter import consumer_thread, tables, transport
from agents.faust_runner.adapter.consumer_thread import Fetching
from agents.faust_runner.adapter.fencing import Lease
from agents.faust_runner.adapter.loop_turns import give_way_seldom
from agents.faust_runner.adapter.tables import Table, TableManager
from agents.faust_runner.adapter.transport import App
from pipeline.runtime.kafka_security import client_arguments
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.topics import CALL_PARTITIONS

_SESSION_SECONDS = 8.0
LEASE_SECONDS = _SESSION_SECONDS - 2.0
"""How long a confirmed heartbeat counts as proof of membership. Must be shorter than the
session."""


def faust_app(
    settings: Settings,
    role: str,
    *,
    before_commit: Callable[[Collection[int]], Awaitable[Collection[int]]],
    lease: Lease,
    health: Health,
    gathering_s: float = 0.0,
) -> App:
    """Return the app, not started. `gathering_s`: how long (s) the broker collects records before
    it answers a fetch; 0: it answers at once. `health` shows which requests Kafka does not
    answer."""
    own = (module.__name__ for module in (transport, consumer_thread, tables))
    for noisy in ("faust", "mode", *own):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger(transport.__name__).addFilter(_misses_no_sensor)
    give_way_seldom()
    instance = settings.instance or f"{role}-{time.time_ns():x}"
    servers = str(client_arguments(settings)["bootstrap_servers"]).split(",")
    return App(
        settings.prefixed(role),
        pipeline=settings,
        before_commit=before_commit,
        lease=lease,
        health=health,
        fetching=Fetching.gathered(gathering_s) if gathering_s else Fetching(),
        broker=";".join(f"kafka://{server.strip()}" for server in servers),
        broker_client_id=instance,
        broker_commit_interval=1.0,
        broker_session_timeout=_SESSION_SECONDS,
        broker_heartbeat_interval=1.5,
        broker_request_timeout=12.0,
        broker_rebalance_timeout=_SESSION_SECONDS,
        broker_max_poll_interval=300.0,
        broker_max_poll_records=500,
        canonical_url=f"http://{instance}",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=1024 * 1024,
        datadir=_data_directory(settings, instance),
        processing_guarantee="at_least_once",
        store="memory://",
        stream_buffer_maxsize=512,
        stream_recovery_delay=0.0,
        stream_wait_empty=True,
        table_standby_replicas=0,
        topic_allow_declare=True,
        topic_disable_leader=True,
        topic_partitions=CALL_PARTITIONS,
        topic_replication_factor=max(settings.kafka_replication_factor, 1),
        web_enabled=False,
        worker_redirect_stdouts=False,
        Table=Table,
        TableManager=TableManager,
    )


def _data_directory(settings: Settings, instance: str) -> str:
    # The directory belongs to this user: in a shared one, another user could have created it
    # before.
    base = settings.state_dir or Path(tempfile.gettempdir()) / f"flexcapture-{os.getuid()}"
    directory = base / "faust" / instance
    directory.mkdir(parents=True, exist_ok=True)
    return str(directory)


def _misses_no_sensor(record: logging.LogRecord) -> bool:
    # At each rebalance Faust warns that its monitor kept no state. We removed the monitor.
    return "Missing sensor state" not in record.getMessage()
