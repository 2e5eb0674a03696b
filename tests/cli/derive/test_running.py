"""The run of a derivation: portions that end at ticks, its end, and following."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from cli.derive import running
from cli.derive.beginning import DerivationRun, DeriveRefused, DeriveRequest
from cli.derive.network import Changes
from cli.derive.roles import chosen
from cli.derive.running import PORTION, Report, _Running
from schemas.codec import encode
from schemas.records import DerivationProgress, Tick
from tests.cli.derive.test_writer import progress
from tests.virtual_time import virtually

ASKED = DeriveRequest(chosen(["tracker"]))
MARKER = "d.derive.progress"


@dataclass
class Parts:
    """The surroundings of a run: the log of one partition, roles that note their records, and a
    writer that keeps the portions. `stop_after`: the run is stopped after so many records;
    `dropped_after`: the derivation is dropped after so many portions."""

    log: list[tuple[int, bytes | None]]
    stop_after: int | None = None
    follow_more: list[tuple[int, bytes | None]] = field(default_factory=list)
    clock: int | None = None
    pending: int = 0
    end: int = 0
    position: int = 0
    taken: list[int] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)
    portions: list[DerivationProgress] = field(default_factory=list)
    shown: list[tuple[int, int]] = field(default_factory=list)
    caught_up: int = 0
    dropped_after: int | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    failures: Any = field(default_factory=lambda: SimpleNamespace(count=0, examples=[]))

    # The network

    def advance(self, now: int) -> None:
        self.clock = now - now % 1_000
        self.ticks.append(self.clock)

    def take(self, topic: str, key: str, record: Any, at: int) -> None:
        assert ("cti.events", "WT1", Tick(1)) == (topic, key, record)
        self.taken.append(at)
        self.pending += 1
        if self.stop_after == len(self.taken):
            self.stop.set()

    def changes(self) -> Changes:
        count, self.pending = self.pending, 0
        return Changes((None,) * count, {})  # type: ignore[arg-type]

    # The sources

    async def read(self, until: int | None) -> AsyncIterator[tuple[str, Any]]:
        while self.position < self.end:
            at, value = self.log[self.position]
            if until is not None and at > until:
                return
            record = SimpleNamespace(offset=self.position, timestamp=at, key=b"WT1", value=value)
            self.position += 1
            yield "cti.events-0", record

    async def exists(self, name: str) -> bool:
        assert name == MARKER
        return self.dropped_after is None or len(self.portions) < self.dropped_after

    def is_wanted(self, record: Any) -> bool:
        return record.value is not None

    async def ends(self) -> dict[str, int]:
        self.log += self.follow_more
        self.follow_more = []
        return {"cti.events-0": len(self.log)}

    def extend(self, ends: Mapping[str, int]) -> None:
        self.end = ends["cti.events-0"]

    # The list, and the writer

    async def catch_up(self) -> None:
        self.caught_up += 1
        if self.caught_up == 3:
            self.stop.set()

    async def write(self, _: Changes, progress: DerivationProgress) -> None:
        self.portions.append(progress)

    def show(self, progress: DerivationProgress, total: int) -> None:
        self.shown.append((progress.taken, total))


def run(parts: Parts, asked: DeriveRequest = ASKED, **changes: Any) -> Report:
    """Run a derivation to its end."""
    parts.end = len(parts.log)
    known = progress(
        positions={"cti.events-0": 0}, ends={"cti.events-0": parts.end}, taken=0, written=0,
        clock=0, ends_at=99_000, **changes,
    )  # fmt: skip
    made: Any = parts
    network = SimpleNamespace(
        advance=parts.advance, take=parts.take, changes=parts.changes, failures=parts.failures,
    )  # fmt: skip
    network_: Any = _Network(parts, network)

    async def main() -> Report:
        at = DerivationRun(network_, known, parts.end)
        return await _Running(asked, made, made, made, at, MARKER, parts.show, parts.stop).run()

    return virtually(main())


class _Network:
    """Passes on to the parts; its clock and the pending records are the present ones."""

    def __init__(self, parts: Parts, calls: Any) -> None:
        self._parts = parts
        self.advance, self.take, self.changes = calls.advance, calls.take, calls.changes
        self.failures = calls.failures

    @property
    def clock(self) -> int | None:
        return self._parts.clock

    @property
    def pending(self) -> int:
        return self._parts.pending


def log(count: int, step: int = 100) -> list[tuple[int, bytes | None]]:
    """Return so many records, `step` ms apart."""
    return [(10_000 + step * n, encode(Tick(1))) for n in range(count)]


def test_all_records_are_taken_and_then_the_deadlines_up_to_the_end() -> None:
    """The last portion is marked as finished."""
    parts = Parts(log(25))
    report = run(parts)
    assert [at for at, _ in parts.log] == parts.taken
    assert 99_000 == parts.ticks[-1]
    [last] = parts.portions
    assert report.progress is last
    assert (True, {"cti.events-0": 25}, 25, 25, 99_000) == (
        last.finished, last.positions, last.taken, last.written, last.clock,
    )  # fmt: skip
    assert [(25, 25)] == parts.shown


def test_portions_end_at_ticks() -> None:
    """Positions, states and records of a portion are those of the same tick: the first record after
    it is not in it."""
    parts = Parts(log(2 * PORTION + 50, step=7))
    run(parts)
    assert len(parts.portions) >= 3
    for portion in parts.portions[:-1]:
        position = portion.positions["cti.events-0"]
        before, after = parts.log[position - 1][0], parts.log[position][0]
        assert before < portion.clock <= after
        assert 0 == portion.clock % 1_000
        assert portion.taken == position
    assert [False, True] == [parts.portions[0].finished, parts.portions[-1].finished]


def test_a_run_that_is_stopped_ends_at_the_next_tick() -> None:
    """And is not finished: the same command continues it."""
    parts = Parts(log(100), stop_after=15)
    report = run(parts)
    assert (False, 20) == (report.progress.finished, report.progress.taken)
    assert 12_000 == report.progress.clock


@pytest.mark.parametrize("portions", [1, 2])
def test_a_dropped_derivation_ends(portions: int) -> None:
    """Before its next portion, or while it follows and there is nothing to write."""
    parts = Parts(log(2 * PORTION), dropped_after=portions)
    with pytest.raises(DeriveRefused, match="was dropped"):
        run(parts, replace(ASKED, follow=True))
    assert portions == len(parts.portions)


def test_records_that_cannot_be_read_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """And named. Those of no interest are passed over; both are behind the position."""
    noted: list[str] = []
    parts = Parts([*log(2), (10_300, b"no record"), (10_400, None)])
    parts.failures = SimpleNamespace(count=0, examples=["x"], note=noted.append)
    report = run(parts)
    assert (2, 4) == (len(parts.taken), report.progress.positions["cti.events-0"])
    [text] = noted
    assert text.startswith("cti.events-0, offset 2:")
    assert ("x",) == report.failures


def test_a_derivation_that_follows_takes_new_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Except the newest records: an earlier one of another partition may still come. New versions
    of the list are read. It ends when it is stopped."""
    now = 40_000
    monkeypatch.setattr(running, "time", SimpleNamespace(time_ns=lambda: now * 1_000_000))
    parts = Parts(log(5))
    parts.follow_more = [(now - 9_000, encode(Tick(1))), (now - 100, encode(Tick(1)))]
    report = run(parts, replace(ASKED, follow=True))
    assert (6, 3) == (len(parts.taken), parts.caught_up)
    assert (True, 6, 37_000) == (
        report.progress.finished, report.progress.taken, report.progress.clock,
    )  # fmt: skip
    assert (6, 7) == parts.shown[-1]


def test_a_quiet_time_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without records and changes there is nothing to write when following."""
    monkeypatch.setattr(running, "time", SimpleNamespace(time_ns=lambda: 40_000 * 1_000_000))
    parts = Parts(log(5))
    run(parts, replace(ASKED, follow=True))
    assert 1 == len(parts.portions)
