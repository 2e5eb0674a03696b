"""What is published of the monitored list, and when. The topic itself: tests/integration."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agents.policy_topic import EFFECTIVE_AFTER_MS, PolicyPublisher, Wanted, following_version
from pipeline.calls.policy import PolicyHistory
from pipeline.settings import Settings
from pipeline.telemetry import Health
from schemas.records import RecordingPolicy

WANTED = st.builds(
    Wanted,
    st.lists(st.sampled_from(["a@x.y", "b@x.y", "*"]), unique=True).map(lambda e: tuple(sorted(e))),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(st.tuples(WANTED, st.integers(0, 3_000))))
def test_versions_follow_each_other_in_number_and_time(
    changes: list[tuple[Wanted, int]],
) -> None:
    """Each change makes the next version, effective after everybody can have it and never before
    the one it follows; no change makes none."""
    history, now = PolicyHistory(), 1_000_000
    for wanted, pause in changes:
        now += pause
        latest = history.latest
        policy = following_version(wanted, history, now)
        if wanted.is_in(latest):
            assert policy is None
        else:
            assert policy is not None
            assert latest.version + 1 == policy.version
            assert policy.effective_at >= now + EFFECTIVE_AFTER_MS
            assert policy.effective_at > latest.effective_at
            history.add(policy)
        assert wanted.is_in(history.latest)


def _publisher(settings: Settings, *entries: str) -> tuple[PolicyPublisher, Health]:
    health = Health()
    history = PolicyHistory.of([RecordingPolicy(1, 0, 0, entries, True, True)])
    return PolicyPublisher(settings, history, health), health


async def test_a_list_that_is_in_force_already_is_not_published(tmp_path: Path) -> None:
    """It is only written differently; there is no Kafka here to publish it to."""
    (tmp_path / "agents").write_text("# team\nANN@example.com\n")
    publisher, health = _publisher(
        Settings(monitored_agents=tmp_path / "agents"), "ann@example.com"
    )
    await publisher.look()

    assert {} == health.reasons


async def test_a_missing_or_wrong_list_is_an_alarm_until_it_is_right(tmp_path: Path) -> None:
    """Nothing is published meanwhile; the alarm says what is wrong, and ends."""
    path = tmp_path / "agents"
    publisher, health = _publisher(Settings(monitored_agents=path), "ann@example.com")
    steps: list[tuple[Callable[[], object], str]] = [
        (lambda: None, "cannot be read"),
        (lambda: path.write_text("nonsense\n"), "line 1: 'nonsense'"),
        (lambda: path.write_bytes(b"\xff\xfe\xff"), "cannot be read"),
    ]
    for change, told in steps:
        change()
        await publisher.look()
        assert told in health.reasons["monitored-list"]
    path.write_text("ann@example.com\n")
    await publisher.look()

    assert {} == health.reasons


async def test_without_a_list_nobody_is_monitored() -> None:
    """Unset: the empty list is what is wanted, and here already in force."""
    publisher, health = _publisher(Settings())
    await publisher.look()

    assert {} == health.reasons
