"""Which contents of the file with the monitored list count."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agents.policy_scene import ANN, BOB, Scene


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


async def test_a_file_that_keeps_changing_is_an_alarm(scene: Callable[..., Scene]) -> None:
    """Nothing of it is taken."""
    here = scene(ANN)
    for n in range(20):
        here.write(ANN, f"agent{n}@example.com")
        await here.passes(0.5)
    assert (0, (ANN,)) == (here.topic.published, here.in_force)
    assert "keeps changing" in here.why
