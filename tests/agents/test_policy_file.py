"""Which contents of the file with the monitored list count."""

from collections.abc import Callable

from tests.agents.policy_scene import ANN, BOB, Scene


async def test_a_list_that_is_in_force_already_is_not_published(
    policy_scene: Callable[..., Scene],
) -> None:
    """It is only written differently."""
    here = policy_scene(ANN)
    here.write("# team", ANN.upper())
    assert await here.publisher.look()

    assert (0, "") == (here.topic.published, here.why)


async def test_a_first_list_takes_effect_once_two_reads_agree(
    policy_scene: Callable[..., Scene],
) -> None:
    """There is nothing to lose; but half a file is not published."""
    here = policy_scene()
    here.write(ANN)
    await here.passes(0.5)
    here.write(ANN, BOB)
    await here.passes(1)
    assert () == here.in_force
    await here.passes(1)
    assert ((ANN, BOB), "") == (here.in_force, here.why)


async def test_a_missing_or_wrong_list_is_an_alarm_until_it_is_right(
    policy_scene: Callable[..., Scene],
) -> None:
    """A missing or wrong list is not published; the alarm names the problem and ends with it."""
    here = policy_scene(ANN)
    steps: list[tuple[Callable[[], object], str]] = [
        (here.path.unlink, "cannot be read"),
        (lambda: here.path.write_text("nonsense\n"), "line 1: 'nonsense'"),
        (lambda: here.path.write_bytes(b"\xff\xfe\xff"), "cannot be read"),
    ]
    for change, problem in steps:
        change()
        await here.passes(2)
        assert problem in here.why
    here.write(ANN)
    await here.passes(1)

    assert (0, "") == (here.topic.published, here.why)


async def test_a_file_that_keeps_changing_is_an_alarm(policy_scene: Callable[..., Scene]) -> None:
    """No line of it takes effect."""
    here = policy_scene(ANN)
    for n in range(20):
        here.write(ANN, f"agent{n}@example.com")
        await here.passes(0.5)
    assert (0, (ANN,)) == (here.topic.published, here.in_force)
    assert "keeps changing" in here.why
