"""The model itself: it is independent, and says what the specification says of plain calls."""

import ast
from pathlib import Path

import pytest

from tests.system.model.cast import Account, Part
from tests.system.model.scene import TASK, Scene
from tests.system.model.showing import START
from tests.system.model.story import Story, story
from tests.system.model.verdicts import (
    Delivery,
    ListVersion,
    Moment,
    changes_of,
    decide,
    must_stream,
    timeline,
)

OURS = {
    "schemas",
    "pipeline",
    "bridge",
    "cli",
    "agents",
    "gateway",
    "console",
    "simulator",
    "infra",
}
LIST = (ListVersion(1, START - 1_000, ("ann@example.com", "bob@example.com", "!queue:legal")),)


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.glob("*.py")), ids=lambda p: p.stem)
def test_it_imports_nothing_of_the_product(path: Path) -> None:
    """The judged code has no part in the judgement."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not {name for name in imported if name.split(".")[0] in OURS}
    assert {n for n in imported if n.startswith("tests.")} == {
        n for n in imported if n.startswith("tests.system.model.")
    }


def with_ann(account: Account = Account(), direction: str = "inbound") -> tuple[Scene, Part]:  # noqa: B008 - a value
    """Ann has taken a call, 2 s after it began."""
    scene = Scene(account=account, direction=direction)
    scene.begin()
    scene.now += 1_000
    ann = scene.offer("ann")
    scene.now += 1_000
    scene.accept(ann)
    return scene, ann


def prompt(scene: Scene) -> list[Delivery]:
    """Each event is known as soon as it arrived, each at its own moment."""
    found: list[Delivery] = []
    for event, arrived in sorted(scene.known, key=lambda k: k[1]):
        found.append((max(arrived, found[-1][0] + 1 if found else 0), event, arrived))
    return found


def of(scene: Scene) -> Story:
    """The story of all that is known."""
    found = story(scene.known, TASK)
    assert found is not None
    return found


def words(scene: Scene, versions: tuple[ListVersion, ...] = LIST) -> list[tuple[str, str]]:
    """The decisions that are published, until a second after the last event."""
    found = timeline(prompt(scene), TASK, versions)
    last = scene.known[-1][1] + 1_000
    return [(word, kind) for when, word, kind in changes_of(found) if when <= last]


def at(found: list[Moment], ms: int) -> Moment:
    """What held at a time after the start."""
    return [m for m in found if m.at <= START + ms][-1]


def test_a_plain_call_is_recorded_while_the_agent_is_on_it() -> None:
    """From accepting to hanging up."""
    scene, _ = with_ann()
    scene.now += 30_250
    scene.hang_up()
    found = of(scene)
    [session] = found.sessions
    assert (START + 2_000, START + 32_250) == (session.started_at, session.ended_at)
    assert ("ended", "answered", START) == (found.state, found.outcome(), found.started_at)
    # The agent's leaving is reported before the customer's.
    assert [("record", "monitored"), ("stop", "absent")] == words(scene)
    streaming = [must_stream(prompt(scene), TASK, LIST, START + ms)
                 for ms in (1_900, 2_100, 31_000, 32_400)]  # fmt: skip
    assert [False, True, True, False] == streaming


def test_an_excluded_queue_and_an_unlisted_agent() -> None:
    """Neither is recorded; each for its reason."""
    scene = Scene(queue="Legal")
    scene.begin()
    scene.accept(scene.offer("ann"))
    assert [("do-not-record", "excluded")] == words(scene)
    other = Scene()
    other.begin()
    other.accept(other.offer("uma"))
    assert [("do-not-record", "none")] == words(other)


def test_a_cold_transfer_to_a_monitored_agent_keeps_the_recording() -> None:
    """While the agent is called it continues; if the agent turns it down it ends."""
    scene, ann = with_ann()
    begun = scene.transfer(ann, "COLD", "WORKER")
    scene.now += 200
    bob = scene.offer("bob", transfer=begun)
    scene.leave(ann)
    scene.now += 20_000
    assert [("record", "monitored")] == words(scene)
    scene.end_part(bob, "rejected")
    assert [("record", "monitored"), ("stop", "none")] == words(scene)


def test_a_transfer_that_takes_shape_is_waited_for_one_second() -> None:
    """The second begins when the event of the leaving arrives."""
    scene, ann = with_ann()
    scene.transfer(ann, "COLD", "QUEUE")
    scene.now += 500
    left = scene.now - START
    scene.leave(ann)
    found = timeline(prompt(scene), TASK, LIST)
    assert [True, False] == [at(found, ms).verdict.record for ms in (left + 900, left + 2_000)]


def test_the_list_takes_effect_on_a_running_call() -> None:
    """By the version in force at the moment."""
    scene, _ = with_ann()
    scene.now += 20_000
    scene.task("updated")
    versions = (*LIST, ListVersion(2, START + 9_000), ListVersion(3, START + 12_000, ("*",)))
    assert ["record", "stop", "record"] == [word for word, _ in words(scene, versions)]


def test_a_call_without_end_is_over_after_a_day() -> None:
    """And its sessions with it."""
    scene, _ = with_ann()
    day = 24 * 60 * 60 * 1_000
    open_, swept = (story(scene.known, TASK, START + ms) for ms in (day - 1, day))
    assert open_ is not None
    assert swept is not None
    assert ("active", "ended", True) == (open_.state, swept.state, swept.swept)
    assert START + day == swept.sessions[0].ended_at
    assert "ended" == decide(swept, LIST, START + day).kind


def test_a_call_callback_belongs_to_the_call_of_the_leg_that_it_names() -> None:
    """One of a leg that no call has belongs to no call."""
    scene, _ = with_ann(Account(calls=True, conference=False, block="never"))
    scene.now += 5_000
    scene.call("completed", scene.customer_leg, CallStatus="completed")
    scene.call("completed", "CA" + "9" * 32, CallStatus="completed")
    assert START + 7_000 == of(scene).ended_at


def test_a_direction_that_stays_unknown_is_published_after_five_seconds() -> None:
    """It may be an internal call, so it is not recorded; once it is known not to be, it is."""
    scene = Scene(silent=True)
    scene.begin()
    ann = scene.offer("ann")
    scene.now += 1_000
    scene.accept(ann)
    scene.now += 9_000
    scene.state_direction()
    scene.now += 9_000
    scene.hang_up()
    found = changes_of(timeline(prompt(scene), TASK, LIST))
    assert ["do-not-record", "record", "stop"] == [word for _, word, _ in found]
    assert START + 6_000 == found[0][0]

    unmonitored = Scene(silent=True)
    unmonitored.begin()
    unmonitored.accept(unmonitored.offer("uma"))
    unmonitored.now += 60_000
    unmonitored.hold(True)
    assert [] == words(unmonitored)
