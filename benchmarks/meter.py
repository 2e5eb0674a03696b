"""Measure the work and the CPU time of processes of a role, beside those of the whole machine."""

import time
from collections.abc import Callable, Sequence

from benchmarks.local import RunningPipeline
from benchmarks.machine import cpu_of, machine_time
from benchmarks.scaled_run import ScaledRun

Handled = Callable[[RunningPipeline], float]
"""Return the number of records that a process has handled since it started."""


class Meter:
    """Measures from its creation on. `broker`: its process id; `handled`: if the processes have
    already handled records."""

    def __init__(
        self, broker: int, running: Sequence[RunningPipeline], handled: Handled = lambda _: 0.0
    ) -> None:
        self._broker, self._running = broker, running
        self._handled = [handled(each) for each in running]
        self._cpu = [each.cpu() for each in running]
        self._of_broker = cpu_of(broker)
        self._machine, self._at = machine_time(), time.monotonic()

    def read(
        self,
        role: str,
        handled: Handled,
        *,
        partitions: tuple[int, ...] = (),
        is_paced: bool = False,
    ) -> ScaledRun:
        """Return the run until now."""
        seconds, machine = time.monotonic() - self._at, machine_time().since(self._machine)
        cpu = [each.cpu() - c for each, c in zip(self._running, self._cpu, strict=True)]
        of_broker = cpu_of(self._broker) - self._of_broker
        return ScaledRun(
            role=role,
            seconds=seconds,
            handled=[
                handled(each) - h for each, h in zip(self._running, self._handled, strict=True)
            ],
            cpu=cpu,
            partitions=partitions,
            broker=of_broker,
            busy=machine.busy,
            idle=machine.idle,
            stolen=machine.stolen,
            is_paced=is_paced,
        )
