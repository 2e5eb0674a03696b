"""The versions of the monitored list that are written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.errors import ProducerFenced
from hypothesis import given
from hypothesis import strategies as st

from agents import policy_publisher
from agents.policy_topic import EFFECTIVE_AFTER_MS
from agents.policy_writer import following_version, is_in_force
from pipeline.policy.list_changes import Content
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.telemetry import Health
from tests.agents.policy_scene import ANN, BOB, Scene

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


async def test_a_publisher_that_is_fenced_gives_way(
    policy_scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another stream manager publishes the same list at the same time: each that begins ends the
    attempt of the other."""
    here, seen = policy_scene(ANN), list[tuple[int, float]]()

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
    policy_scene: Callable[..., Scene], tmp_path: Path
) -> None:
    """Each process publishes its own change once; a process is unhealthy while another list is in
    force."""
    here = policy_scene(ANN, BOB)
    (tmp_path / "other").write_text(f"{ANN}\n")
    other = Health()
    both = here.publisher, here.started("two", tmp_path / "other", other)
    await here.passes(60, *both)
    assert 1 == here.topic.published
    assert "which another process published" in here.why
    assert {} == other.reasons
