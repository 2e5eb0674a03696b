"""The worker that a recording belongs to."""

import pytest

from pipeline.contacts.match import Watched, extension_at, extensions_during

A, B = Watched("a", ((100, 200),)), Watched("b", ((190, 300),))
LATE_B = Watched("b", ((250, 300),))
OFF_AND_ON = Watched("o", ((50, 120), (260, 400)))


@pytest.mark.parametrize(
    ("start", "end", "extension", "extensions"),
    [
        (150, 180, "a", ("a",)),
        (150, 250, "a", ("a", "b")),
        (195, 250, "a", ("a", "b")),
        (210, None, "b", ("b",)),
        (90, 95, "a", ("a",)),
        (350, 360, "b", ("b",)),
        (10, None, "a", ("a", "b")),
    ],
)
def test_recordings_are_matched_by_extension(
    start: int, end: int | None, extension: str, extensions: tuple[str, ...]
) -> None:
    """To the monitored worker on the call when it began, else the nearest; and to all monitored
    workers on the call while it ran."""
    assert extension == extension_at([B, A], start)
    assert extensions == extensions_during([B, A], start, end)


def test_who_is_off_the_list_for_a_while_is_not_recorded_meanwhile() -> None:
    """Although on the call all the time, and the first of all."""
    assert "a" == extension_at([OFF_AND_ON, A, B], 150)
    assert ("a", "b") == extensions_during([OFF_AND_ON, A, B], 150, 250)
    assert ("o", "a", "b") == extensions_during([OFF_AND_ON, A, B], 150, 260)


def test_who_was_nearest_when_it_began_is_on_the_recording() -> None:
    """Also if another joined later: the worker that had just left, by the other clock."""
    assert "a" == extension_at([A, LATE_B], 201)
    assert ("a", "b") == extensions_during([A, LATE_B], 201, None)


def test_of_several_monitored_workers_the_first_is_the_recordings() -> None:
    """In whatever order they are given; of equally near ones too."""
    for watched in ([A, B], [B, A]):
        assert "a" == extension_at(watched, 195)
    early, late = Watched("early", ((100, 200),)), Watched("late", ((300, 400),))
    for watched in ([early, late], [late, early]):
        assert ["early", "early", "late"] == [extension_at(watched, at) for at in (199, 250, 251)]
        assert ["early", "late"] == [extension_at(watched, at) for at in (0, 900)]


def test_a_worker_who_is_there_is_nearer_than_one_who_has_just_left() -> None:
    """Even by a millisecond, and though the other came first."""
    left = Watched("left", ((0, 199),))
    assert "a" == extension_at([left, A], 200)
    assert "left" == extension_at([left, A], 199)


def test_the_bounds_of_a_time_belong_to_it() -> None:
    """A worker that left as a recording began, or came as it ended, is on it."""
    others = (Watched("first", ((0, 1_000),)), Watched("second", ((100, 200),)))
    assert ("first", "second") == extensions_during(others, 200, 300)
    assert ("first",) == extensions_during(others, 201, 300)
    assert ("first", "second") == extensions_during(others, 50, 100)
    assert ("first",) == extensions_during(others, 50, 99)
    assert ("first",) == extensions_during(others, 201, None)


def test_without_a_monitored_worker_there_is_no_extension() -> None:
    """Nor a list of them."""
    assert extension_at([], 100) is None
    assert () == extensions_during([], 0, None)
