"""A derivation begins, or continues with the written part."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from cli.derive import beginning
from cli.derive.beginning import (
    DeriveRefused,
    DeriveRequest,
    LiveHistory,
    begun,
    claim,
    history_of,
    not_before,
)
from cli.derive.policy import ChangedHistory, ChangedRules
from cli.derive.roles import ROLES, chosen
from cli.derive.sources import Sources
from cli.derive.topics import PROGRESS
from pipeline.calls.channels import VOICE_CHANNELS
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.settings import Settings
from schemas.records import DerivationProgress
from schemas.topics import POLICY
from tests.cli.derive.test_writer import progress

LIVE, TARGET = Settings(topic_prefix="p."), Settings(topic_prefix="d.")
TRACKER = chosen(["tracker"])
ASKED = DeriveRequest(TRACKER)


class LiveTopics:
    """The sources of a derivation: one partition. `kept_ms`: for `complete_from`."""

    def __init__(self, first: int = 5, end: int = 20, tick: int = 90_000) -> None:
        self.first, self.end, self.tick = first, end, tick
        self.begun: Mapping[str, int] = {}
        self.extended: Mapping[str, int] = {}
        self.has_list = False

    async def has(self, topic: Any) -> bool:
        assert topic.name in ("policy", "workers")
        return self.has_list and topic is POLICY

    async def beginnings(self, since: int | None) -> dict[str, int]:
        return {"a-0": self.first if since is None else self.first + 2}

    async def ends(self, until: int | None = None) -> dict[str, int]:
        return {"a-0": self.end if until is None else self.end - 2}

    async def complete_from(self) -> int:
        return 1_000

    async def last_tick(self) -> int:
        return self.tick

    def begin(self, positions: Mapping[str, int]) -> None:
        self.begun = positions

    def extend(self, ends: Mapping[str, int]) -> None:
        self.extended = ends


class Written:
    """The written part of a derivation."""

    def __init__(self, patch: pytest.MonkeyPatch, known: DerivationProgress | None) -> None:
        self.known = known
        patch.setattr(beginning, "read_progress", self._progress)
        patch.setattr(beginning, "read_states", self._states)

    async def _progress(self, _: Settings) -> DerivationProgress | None:
        return self.known

    async def _states(self, _: Settings) -> Iterator[tuple[str, str, bytes]]:
        return iter(())


async def begin(
    topics: LiveTopics, asked: DeriveRequest = ASKED
) -> tuple[DerivationProgress, int, Any]:
    """Begin. Return the progress, the total, and the network."""
    past = LiveHistory(PolicyHistory(), None)
    live = Settings(topic_prefix="p.", voice_channels=VOICE_CHANNELS)
    run = await begun(live, TARGET, asked, cast("Sources", topics), past)
    return run.progress, run.total, run.network


async def test_a_new_derivation_takes_all_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the present end, and deadlines up to the last tick: the live roles know no later
    time."""
    Written(monkeypatch, None)
    topics = LiveTopics()
    found, total, network = await begin(topics)
    assert ({"a-0": 5}, {"a-0": 20}, 90_000, 1_000) == (
        found.positions, found.ends, found.ends_at, found.complete_from,
    )  # fmt: skip
    assert (15, {"a-0": 5}, {"a-0": 20}) == (total, topics.begun, topics.extended)
    assert (("tracker",), None, False) == (found.roles, network.clock, found.finished)


async def test_a_period_has_its_own_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is complete from its begin. A period that ends before its begin has no records."""
    Written(monkeypatch, None)
    asked = DeriveRequest(TRACKER, since=7_000, until=80_000)
    found, total, _ = await begin(LiveTopics(), asked)
    assert ({"a-0": 7}, {"a-0": 18}, 80_000, 7_000, 11) == (
        found.positions, found.ends, found.ends_at, found.complete_from, total,
    )  # fmt: skip
    found, total, _ = await begin(LiveTopics(first=19), asked)
    assert ({"a-0": 21}, 0) == (found.ends, total)


async def test_an_unfinished_run_keeps_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that have come since are not part of it. A partition that is new has none."""
    known = progress(
        roles=("tracker",), positions={"a-0": 9}, ends={"a-0": 12}, taken=4, refused=2, clock=6_000
    )
    Written(monkeypatch, known)
    found, total, network = await begin(LiveTopics())
    assert replace(known, ends={"a-0": 12}) == found
    assert (4 + 3, 6_000, 2) == (total, network.clock, network.failures.count)
    Written(monkeypatch, replace(known, positions={}, ends={}))
    found, total, _ = await begin(LiveTopics())
    assert ({"a-0": 5}, {"a-0": 0}, 4) == (found.positions, found.ends, total)


async def test_a_finished_run_is_continued_to_the_present(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the records that have come since. Its deadlines never go back."""
    known = progress(
        roles=("tracker",), positions={"a-0": 12}, ends={"a-0": 12}, finished=True, ends_at=95_000
    )
    Written(monkeypatch, known)
    found, total, _ = await begin(LiveTopics())
    assert (False, {"a-0": 20}, 95_000, 3 + 8) == (found.finished, found.ends, found.ends_at, total)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (DeriveRequest(chosen(ROLES)), "--roles tracker"),
        (replace(ASKED, since=5), "--from not given"),
        (replace(ASKED, until=5), "--until not given"),
        (replace(ASKED, rules=ChangedRules(record_inbound=False)), "rules not given"),
    ],
)
async def test_other_arguments_are_refused(
    monkeypatch: pytest.MonkeyPatch, asked: DeriveRequest, named: str
) -> None:
    """The states under the prefix are those of the first ones. The error names them."""
    Written(monkeypatch, progress(roles=("tracker",)))
    with pytest.raises(DeriveRefused, match=f"d. was derived with .*{named}"):
        await begin(LiveTopics(), asked)


class Admin:
    """The topics of a Kafka."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.is_open = False

    async def start(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    async def list_topics(self) -> list[str]:
        return list(self.names)


@pytest.mark.parametrize(
    ("names", "is_claimed"),
    [
        ((), True),
        (("p.calls", "other"), True),
        (("d.calls", "d.derive.progress"), True),
        (("d.calls",), False),  # a pipeline's
    ],
)
async def test_a_prefix_of_a_pipeline_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], is_claimed: bool
) -> None:
    """A derivation would write among its records."""
    made: list[str] = []
    admin = Admin(*names)

    async def ensure(_: Settings, topics: list[Any]) -> None:
        made.extend(topic.name for topic in topics)

    monkeypatch.setattr(beginning, "admin_client", lambda _: admin)
    monkeypatch.setattr(beginning, "ensure_topics", ensure)
    if is_claimed:
        await claim(TARGET)
    else:
        with pytest.raises(DeriveRefused, match=r"d\.calls is not of a derivation"):
            await claim(TARGET)
    assert ([PROGRESS.name] if is_claimed else []) == made
    assert not admin.is_open


class Reader:
    """Reads the list."""

    def __init__(self, _: Settings, *, with_workers: bool) -> None:
        self.steps: list[str] = [] if not with_workers else ["workers"]
        self.history: PolicyHistory = PolicyHistory()

    async def start(self) -> None:
        self.steps.append("start")

    async def catch_up(self) -> None:
        self.steps.append("catch up")

    async def stop(self) -> None:
        self.steps.append("stop")


@pytest.mark.parametrize("has_list", [True, False])
async def test_the_live_list_is_read_with_the_changed_rules(
    monkeypatch: pytest.MonkeyPatch, has_list: bool
) -> None:
    """Without a list only the changed rules hold."""
    monkeypatch.setattr(beginning, "PolicyReader", Reader)
    topics = LiveTopics()
    topics.has_list = has_list
    rules = ChangedRules(entries=("ann@example.com",))
    async with history_of(LIVE, rules, cast("Sources", topics)) as past:
        await past.catch_up()
        assert isinstance(past.versions, ChangedHistory)
        assert ("ann@example.com",) == past.versions.at(0).entries
        reader: Any = past.reader
        assert has_list == (reader is not None)
        assert not has_list or past.versions is reader.history
    assert not has_list or ["start", "catch up", "stop"] == reader.steps


def test_an_end_is_never_before_its_position() -> None:
    """Of any partition."""
    assert {"a": 9, "b": 7} == not_before({"a": 9, "b": 5}, {"a": 3, "b": 7})
