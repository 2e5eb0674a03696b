"""When the monitored list is published, held back or refused. The topic: tests/integration."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka.errors import ProducerFenced, TopicAuthorizationFailedError
from hypothesis import given
from hypothesis import strategies as st

from agents import policy_publisher
from agents.policy_publisher import DIFFERS_S, PolicyPublisher
from agents.policy_topic import EFFECTIVE_AFTER_MS
from agents.policy_writer import following_version, is_in_force
from cli.policy import STALE_MS, held_now
from pipeline.policy.list_changes import Content
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.records import PolicyHeldBack, RecordingPolicy

ANN, BOB = "ann@example.com", "bob@example.com"
TEN = [f"agent{n}@example.com" for n in range(10)]
CONTENTS = st.builds(
    Content,
    st.lists(st.sampled_from(["a@x.y", "b@x.y", "*"]), unique=True).map(lambda e: tuple(sorted(e))),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(st.tuples(CONTENTS, st.integers(0, 3_000), st.integers(0, 9))))
def test_versions_follow_each_other_in_number_and_time(
    changes: list[tuple[Content, int, int]],
) -> None:
    """Each change makes a version above all that are known, effective after every process can have
    it and never before the one it follows; no change makes none."""
    history, now = PolicyHistory(), 1_000_000
    for content, pause, elsewhere in changes:
        now += pause
        latest, last = history.latest, history.last_number
        in_force = is_in_force(content, 0, history)
        policy = following_version(content, 0, history, now, elsewhere)
        if in_force:
            assert policy is None
        else:
            assert policy is not None
            assert max(last, elsewhere) + 1 == policy.version
            assert policy.effective_at >= now + EFFECTIVE_AFTER_MS
            assert policy.effective_at > latest.effective_at
            history.add(policy)
        assert is_in_force(content, 0, history)


@dataclass
class Topic:
    """The topic between publisher and reader: a published record is read at once."""

    history: PolicyHistory
    held_back: dict[str, PolicyHeldBack] = field(default_factory=dict)
    accepted: dict[tuple[str, int], int] = field(default_factory=dict)
    acceptances: int = 0
    refuses: Exception | None = None
    published: int = 0

    def is_accepted(self, content_hash: str, base: int, since: int) -> bool:
        return self.accepted.get((content_hash, base), 0) > since

    def accept(self) -> None:
        for held in self.held_back.values():
            self.acceptances += 1
            self.accepted[held.hash, held.base] = self.acceptances

    async def publish(
        self, content: Content, base: int, known: PolicyHistory, *, anew: bool = False
    ) -> None:
        if self.refuses is not None:
            raise self.refuses
        policy = following_version(content, base, self.history, self.published)
        if policy is not None:
            self.published += 1
            self.history.add(policy)

    async def announce(self, instance: str, held: PolicyHeldBack | None) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.held_back.pop(instance, None)
        if held is not None:
            self.held_back[instance] = held


@dataclass
class Scene:
    """A file, a topic on which `before` is in force, and a stream manager between them."""

    path: Path
    before: tuple[str, ...] = ()
    now: float = 100.0
    health: Health = field(default_factory=Health)
    shrink_s: float = 300.0

    def __post_init__(self) -> None:
        versions = [RecordingPolicy(1, 0, 0, tuple(sorted(self.before)), True, True)]
        self.topic = Topic(PolicyHistory.of(versions if self.before else []))
        self.publisher = self.started()

    def started(
        self, instance: str = "one", path: Path | None = None, health: Health | None = None
    ) -> PolicyPublisher:
        settings = Settings(
            monitored_agents=path or self.path,
            instance=instance,
            list_shrink_seconds=self.shrink_s,
        )
        return PolicyPublisher(
            settings,
            self.topic,
            health or self.health,
            machine_clock,
            clock=lambda: self.now,
            writer=self.topic,  # type: ignore[arg-type]
        )

    def write(self, *lines: str) -> None:
        self.path.write_text("".join(f"{line}\n" for line in lines))

    async def passes(self, seconds: float, *publishers: PolicyPublisher) -> None:
        for _ in range(max(1, round(seconds * 2))):
            self.now += 0.5
            for publisher in publishers or (self.publisher,):
                await publisher.look()

    @property
    def in_force(self) -> tuple[str, ...]:
        return self.topic.history.latest.entries

    @property
    def why(self) -> str:
        return self.health.reasons.get("monitored-list", "")


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., Scene]:
    """Makes a scene with these entries in force, and in the file."""

    def made(*before: str, **more: float) -> Scene:
        found = Scene(tmp_path / "agents", before, **more)  # type: ignore[arg-type]
        found.write(*before)
        return found

    return made


async def test_a_list_that_is_in_force_already_is_not_published(
    scene: Callable[..., Scene],
) -> None:
    """It is only written differently."""
    here = scene(ANN)
    here.write("# team", ANN.upper())
    assert await here.publisher.look()

    assert (0, "") == (here.topic.published, here.why)


async def test_a_first_list_takes_effect_once_two_reads_agree(scene: Callable[..., Scene]) -> None:
    """There is nothing to lose; but half a file is not published."""
    here = scene()
    here.write(ANN)
    await here.passes(0.5)
    here.write(ANN, BOB)
    await here.passes(1)
    assert () == here.in_force
    await here.passes(1)
    assert ((ANN, BOB), "") == (here.in_force, here.why)


async def test_a_missing_or_wrong_list_is_an_alarm_until_it_is_right(
    scene: Callable[..., Scene],
) -> None:
    """A missing or wrong list is not published; the alarm names the problem and ends with it."""
    here = scene(ANN)
    steps: list[tuple[Callable[[], object], str]] = [
        (here.path.unlink, "cannot be read"),
        (lambda: here.path.write_text("nonsense\n"), "line 1: 'nonsense'"),
        (lambda: here.path.write_bytes(b"\xff\xfe\xff"), "cannot be read"),
    ]
    for change, told in steps:
        change()
        await here.passes(2)
        assert told in here.why
    here.write(ANN)
    await here.passes(1)

    assert (0, "") == (here.topic.published, here.why)


@pytest.mark.parametrize("emptied", ["empty", "unset"])
async def test_an_emptied_list_is_held_back_and_taken_after_its_time(
    scene: Callable[..., Scene], emptied: str
) -> None:
    """The entries stay in force; health is red and names what would be lost; unchanged for so long,
    it takes effect. A setting that is removed counts as an emptied file."""
    here = scene(*TEN)
    here.write()
    if emptied == "unset":
        settings = Settings(instance="one", list_shrink_seconds=300)
        here.publisher = PolicyPublisher(
            settings,
            here.topic,
            here.health,
            machine_clock,
            clock=lambda: here.now,
            writer=here.topic,  # type: ignore[arg-type]
        )
    await here.passes(290)
    assert tuple(TEN) == here.in_force
    assert "would lose 10 of 10 entries (agent0@example.com, " in here.why
    assert "flexcapture policy accept" in here.why
    [held] = here.topic.held_back.values()
    assert (10, 1, tuple(TEN)) == (held.lost_entries, held.base, held.lost)
    await here.passes(15)

    assert ((), "", {}) == (here.in_force, here.why, here.topic.held_back)


async def test_a_change_of_what_is_held_back_begins_the_time_anew(
    scene: Callable[..., Scene],
) -> None:
    """So does a restart of the process."""
    here = scene(*TEN)
    here.write(TEN[0])
    await here.passes(200)
    here.write(TEN[1])
    await here.passes(200)
    assert tuple(TEN) == here.in_force
    here.publisher = here.started()
    await here.passes(200)
    assert tuple(TEN) == here.in_force
    await here.passes(110)
    assert (TEN[1],) == here.in_force


async def test_what_is_held_back_can_be_accepted(scene: Callable[..., Scene]) -> None:
    """It takes effect at once, and only it: the same loss later is held back again."""
    here = scene(*TEN)
    here.write()
    await here.passes(3)
    here.topic.accept()
    await here.passes(1)
    assert ((), "") == (here.in_force, here.why)
    here.write(*TEN)
    await here.passes(3)
    assert tuple(TEN) == here.in_force
    here.write()
    await here.passes(30)
    assert tuple(TEN) == here.in_force


async def test_an_acceptance_of_another_list_does_not_count(scene: Callable[..., Scene]) -> None:
    """An acceptance applies only to the list that the operator saw."""
    here = scene(*TEN)
    here.write(TEN[0])
    await here.passes(3)
    here.topic.accept()
    here.write()
    await here.passes(30)
    assert {*TEN} == {*here.in_force}


async def test_a_restored_list_ends_the_hold(scene: Callable[..., Scene]) -> None:
    """Nothing is published; nothing can be accepted any more."""
    here = scene(*TEN)
    here.write()
    await here.passes(3)
    here.write(*TEN)
    await here.passes(1)
    assert (0, "", {}) == (here.topic.published, here.why, here.topic.held_back)
    await here.passes(400)
    assert tuple(TEN) == here.in_force


async def test_entries_that_are_added_take_effect_at_once(scene: Callable[..., Scene]) -> None:
    """Also those of a list that is held back; the rest of it once its time is over."""
    here = scene(*TEN)
    here.write(ANN)
    await here.passes(3)
    assert {*TEN, ANN} == {*here.in_force}
    assert "would lose 10 of " in here.why
    await here.passes(300)
    assert (ANN,) == here.in_force


async def test_a_small_loss_takes_effect_at_once(scene: Callable[..., Scene]) -> None:
    """Half of the entries, and an excluded queue."""
    here = scene(*TEN, "!queue:vip")
    here.write(*TEN[:5])
    await here.passes(2)
    assert (tuple(TEN[:5]), "") == (here.in_force, here.why)


async def test_publishing_that_fails_turns_health_red(scene: Callable[..., Scene]) -> None:
    """The last list stays in force, the reason is named, and it is tried again."""
    here = scene(ANN)
    here.topic.refuses = TopicAuthorizationFailedError("policy")
    here.write(ANN, BOB)
    await here.passes(DIFFERS_S + 3)
    assert "could not be published (TopicAuthorizationFailedError" in here.why
    assert (ANN,) == here.in_force
    here.topic.refuses = None
    await here.passes(3)
    assert ((ANN, BOB), "") == (here.in_force, here.why)


async def test_a_publisher_that_is_fenced_gives_way(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another stream manager publishes the same list at the same time: each that begins ends the
    attempt of the other."""
    here, seen = scene(ANN), list[tuple[int, float]]()

    def pause(times: int, luck: float) -> float:
        seen.append((times, luck))
        return 4.0

    monkeypatch.setattr(policy_publisher, "fenced_pause", pause)
    here.topic.refuses = ProducerFenced("a newer producer")
    here.write(ANN, BOB)
    await here.passes(10)
    assert [1, 2, 3] == [times for times, _ in seen]
    assert 3 == len({luck for _, luck in seen})
    here.topic.refuses = None
    await here.passes(5)
    assert (ANN, BOB) == here.in_force


async def test_processes_with_different_files_do_not_fight(
    scene: Callable[..., Scene], tmp_path: Path
) -> None:
    """Each process publishes its own change once; the one whose list is not in force is
    unhealthy."""
    here = scene(ANN, BOB)
    (tmp_path / "other").write_text(f"{ANN}\n")
    other = Health()
    both = here.publisher, here.started("two", tmp_path / "other", other)
    await here.passes(60, *both)
    assert 1 == here.topic.published
    assert "which another process published" in here.why
    assert {} == other.reasons


async def test_a_file_that_keeps_changing_is_an_alarm(scene: Callable[..., Scene]) -> None:
    """Nothing of it is taken."""
    here = scene(ANN)
    for n in range(20):
        here.write(ANN, f"agent{n}@example.com")
        await here.passes(0.5)
    assert (0, (ANN,)) == (here.topic.published, here.in_force)
    assert "keeps changing" in here.why


def test_what_a_process_that_is_gone_held_back_is_not_accepted() -> None:
    """It should have taken effect long ago; the same content is accepted once."""
    held = PolicyHeldBack("h", 1, "one", 0, 1_000, 3, 3, (), 0, ())
    assert [held] == held_now([held, held], 1_000 + STALE_MS - 1)
    assert [] == held_now([held], 1_000 + STALE_MS)
