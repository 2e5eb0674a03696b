"""Consumers and apps of Faust that are never connected."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faust.types import TP
from intervaltree import IntervalTree

from agents.faust_runner.adapter.app_factory import faust_app
from agents.faust_runner.adapter.fencing import Lease
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health

PARTITION = TP("cti.events", 3)


@dataclass(eq=False)
class Message:
    """A record that a stream has taken."""

    offset: int
    tp: TP = PARTITION
    acked: bool = False


def consumer(kind: Any, acked: list[int], in_flight: list[int], gaps: list[range]) -> Any:
    """A consumer in the middle of its work, never connected."""
    made = object.__new__(kind)
    made._acked = defaultdict(list, {PARTITION: list(acked)})
    made._acked_index = defaultdict(set, {PARTITION: set(acked)})
    made._committed_offset = defaultdict(lambda: None)
    tree = IntervalTree.from_tuples((gap.start, gap.stop) for gap in gaps)
    made._gap = defaultdict(IntervalTree, {PARTITION: tree})
    made._unacked_messages = {Message(offset) for offset in in_flight}
    made._unsafe, made.commits = {}, 0
    return made


async def all_of_them(partitions: Any) -> Any:
    """Everything is safe."""
    return partitions


def app_in(directory: Path, **options: Any) -> Any:
    """A tracker's app, not started."""
    settings = Settings(kafka_bootstrap_servers="localhost:1", state_dir=directory)
    return faust_app(
        settings,
        Role.TRACKER,
        before_commit=all_of_them,
        lease=Lease(6.0),
        health=Health(),
        **options,
    )
