"""The mutations of one module: apply each to the copy of the tree and run the module's tests."""

import math
import resource
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.mutating import use_mutation
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tools.mutants.equivalent import Key
from tools.mutants.report import Count
from tools.mutants.running import Limits, tested
from tools.mutants.session import Mutation, described, killed, mutations_of, opened, sample
from tools.mutants.targets import Target

_TIMES_AS_MUCH = 5
_MIN_PROCESSOR_SECONDS = 30
"""Tests of a mutated module have failed if they use this much processor time, and this many times
as much as usual: an endless loop. Wall time would depend on the other load of the machine."""

_TIMES_AS_LONG = 20
_MIN_WALL_SECONDS = 300
"""Tests that run this long, and this many times as long as usual, wait in vain."""


class ModuleRun:
    """A sample of a module's mutations, in the current directory. `equivalent`: the mutations that
    change no behaviour."""

    def __init__(
        self, target: Target, directory: Path, seed: int, size: int, equivalent: Collection[Key]
    ) -> None:
        self._target = target
        self._directory = directory
        self._source = Path(target.module).read_text()
        possible = mutations_of(target.module, self._source)
        self._possible = len(possible)
        self._items = sample(possible, target.module, seed, size)
        self._equivalent = equivalent

    def survivors(self) -> Iterator[Mutation]:
        """Try each mutation that was not noticed before; yield those that no test notices."""
        output = self._directory / f"{self._target.name.replace('/', '.')}.txt"
        limits = None
        for item, mutation in self._left():
            limits = limits or self._limits(output)
            outcome = self._outcome(item, output, limits)
            with opened(self._directory, self._target.module, self._source, self._items) as db:
                db.set_result(item.job_id, WorkResult(WorkerOutcome.NORMAL, None, outcome))
            if outcome == TestOutcome.SURVIVED:
                yield mutation

    def known_survivors(self) -> Iterator[Mutation]:
        """Yield the mutations that were not noticed so far, tried or not."""
        yield from (mutation for _, mutation in self._left())

    def count(self) -> Count:
        """Return the result; a mutation that was not tried yet counts as a survivor."""
        left = len(self._left())
        noticed = len(self._killed())
        equivalent = len(self._items) - left - noticed
        return Count(self._target.module, self._possible, noticed, equivalent, left)

    def _killed(self) -> set[str]:
        with opened(self._directory, self._target.module, self._source, self._items) as db:
            return killed(db) & {item.job_id for item in self._items}

    def _left(self) -> list[tuple[WorkItem, Mutation]]:
        """Return the mutations that change behaviour and were not noticed."""
        done = self._killed()
        left = [(i, described(i, self._source)) for i in self._items if i.job_id not in done]
        return [(item, each) for item, each in left if each.key not in self._equivalent]

    def _outcome(self, item: WorkItem, output: Path, limits: Limits) -> TestOutcome:
        spec = item.mutations[0]
        operator = plugins.get_operator(spec.operator_name)()
        with use_mutation(spec.module_path, operator, spec.occurrence):
            sys.dont_write_bytecode = True  # no cache may contain a mutation
            return tested(self._target.tests, output, limits)

    def _limits(self, output: Path) -> Limits:
        """Return what the tests may use. Raise if they fail without any mutation."""
        begun, used = time.monotonic(), _processor_seconds()
        sys.dont_write_bytecode = False
        if tested(self._target.tests, output, None) != TestOutcome.SURVIVED:
            raise SystemExit(f"the tests fail without any mutation:\n{output.read_text()}")
        used, wall = _processor_seconds() - used, time.monotonic() - begun
        return Limits(
            max(_MIN_PROCESSOR_SECONDS, math.ceil(_TIMES_AS_MUCH * used)),
            max(_MIN_WALL_SECONDS, _TIMES_AS_LONG * wall),
        )


def _processor_seconds() -> float:
    """Return the processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
