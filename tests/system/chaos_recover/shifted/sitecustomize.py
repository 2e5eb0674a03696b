"""Shifts the clock of a process by the milliseconds in the file CLOCK_SHIFT_FILE, which another
process changes while it runs: put this directory on PYTHONPATH.

Python imports it at its start, before anything could have taken `time.time` for itself. The
monotonic clock stays as it is.
"""

import mmap
import os
import sys
import time
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


def _shift() -> None:
    with Path(os.environ["CLOCK_SHIFT_FILE"]).open("rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    time_ns = time.time_ns

    def shifted_time_ns() -> int:
        return time_ns() + int.from_bytes(shared[:8], "little", signed=True) * 1_000_000

    def shifted_time() -> float:
        return shifted_time_ns() / 1e9

    time.time, time.time_ns = shifted_time, shifted_time_ns
    sys.meta_path.insert(0, _StampedRecords())


class _StampedRecords:
    """Gives Kafka records the shifted time: aiokafka's compiled builder asks the system."""

    NAME = "aiokafka.producer.message_accumulator"

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        if name != self.NAME:
            return None
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        _stamping(spec)
        return spec


def _stamping(spec: ModuleSpec) -> None:
    loader: Any = spec.loader
    execute = loader.exec_module

    def exec_module(module: Any) -> None:
        execute(module)
        plain, batched = module.MessageBatch.append, module.BatchBuilder.append

        def append(
            self: Any, key: Any, value: Any, at: int | None, *more: Any, **named: Any
        ) -> Any:
            return plain(self, key, value, now() if at is None else at, *more, **named)

        def append_to_batch(self: Any, *, timestamp: int | None, **named: Any) -> Any:
            return batched(self, timestamp=now() if timestamp is None else timestamp, **named)

        module.MessageBatch.append, module.BatchBuilder.append = append, append_to_batch

    def now() -> int:
        return time.time_ns() // 1_000_000

    loader.exec_module = exec_module


if "CLOCK_SHIFT_FILE" in os.environ:
    _shift()
