"""Both sides of a comparison are read, partition by partition."""

from typing import Any

import pytest

from cli.derive import comparing
from cli.derive.beginning import DeriveRefused
from cli.derive.comparing import compare, needed_progress
from cli.derive.topics import PROGRESS, PROGRESS_KEY
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import DerivationProgress
from schemas.topics import CALLS, CTI_EVENTS, STREAM_EVENTS
from tests.cli.derive.test_writer import progress
from tests.cli.logs import MemoryLog
from tests.pipeline.contacts.records import NOON, TASK, call, decided, reservation

LIVE, TARGET = Settings(topic_prefix="p."), Settings(topic_prefix="d.")
ROLES = ("tracker", "stream-manager", "resolver")
OTHER = "WT" + "b" * 32


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> dict[str, MemoryLog]:
    """The live and the derived topics, by their prefix, with the same two calls."""
    made = {"p.": MemoryLog(), "d.": MemoryLog()}
    for side in made.values():
        for task in (TASK, OTHER):
            record = call(reservation(1, "ann", created=0, accepted=100))
            side.add(CALLS, NOON + 200, record, task.encode())
            side.add(STREAM_EVENTS, NOON + 210, decided(210, "record"), task.encode())
    made["d."].add(PROGRESS, 1, b"", PROGRESS_KEY)
    known = progress(roles=ROLES, clock=NOON + 9_000, complete_from=0)

    async def read(_: Settings) -> DerivationProgress | None:
        return known

    monkeypatch.setattr(
        comparing, "Log", lambda settings, _: made[settings.topic_prefix](settings, _)
    )
    monkeypatch.setattr(comparing, "read_progress", read)
    return made


async def compared() -> Any:
    """Compare. Return the result."""
    _, found = await compare(LIVE, TARGET, lambda *_: None)
    return found


async def test_equal_sides_are_equal(sides: dict[str, MemoryLog]) -> None:
    """Both logs are closed afterwards."""
    found = await compared()
    assert (2, {}) == (found.same, found.different)
    assert not any(side.is_open for side in sides.values())


async def test_a_call_that_is_missing_on_a_side_differs(sides: dict[str, MemoryLog]) -> None:
    """On either one."""
    sides["d."].add(CALLS, NOON + 300, call(reservation(1, "bob", created=0)), b"WT9")
    del sides["d."].topics[STREAM_EVENTS.name][0]
    found = await compared()
    assert {"WT9", TASK} == set(found.different)


async def test_only_records_of_the_derived_roles_are_compared(sides: dict[str, MemoryLog]) -> None:
    """Other topics and record types may differ. So may records that no role can read."""
    sides["p."].add(CTI_EVENTS, NOON, b"x", TASK.encode())
    sides["p."].add(STREAM_EVENTS, NOON, None, TASK.encode())
    sides["p."].add(STREAM_EVENTS, NOON, b"no record", TASK.encode())
    damaged = encode(call(reservation(1, "ann", created=0)))[:9]
    sides["p."].add(CALLS, NOON, damaged, b"WT9")  # counts as no call
    sides["p."].add(CALLS, NOON, call(reservation(1, "bob", created=0)), b"\xff", partition=0)
    found = await compared()
    assert (2, {}) == (found.same, found.different)
    read = {span.partition.topic for side in sides.values() for span in side.asked}
    assert {"p.calls", "p.stream.events", "d.calls", "d.stream.events"} == read


async def test_a_missing_derivation_is_refused(sides: dict[str, MemoryLog]) -> None:
    """Without its topic, or without any progress."""
    del sides["d."].topics[PROGRESS.name]
    with pytest.raises(DeriveRefused, match=r"no derivation with the prefix d\."):
        await needed_progress(TARGET)
    assert not sides["d."].is_open


async def test_a_derivation_that_has_not_begun_is_refused(
    sides: dict[str, MemoryLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its topic is empty."""

    async def nothing(_: Settings) -> None:
        return None

    monkeypatch.setattr(comparing, "read_progress", nothing)
    with pytest.raises(DeriveRefused):
        await needed_progress(TARGET)
