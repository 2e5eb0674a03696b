"""How a changed monitored list takes effect, and its versions as records."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.policy.list_changes import plan, shrinks
from pipeline.policy.monitored_list import is_monitored
from schemas.records import RecordingPolicy

ADDRESSES = [f"agent{n}@example.com" for n in range(9)]
LISTS = st.frozensets(st.sampled_from([*ADDRESSES, "*", "team:sales", "!queue:vip", "!queue:hr"]))


def _planned(base: frozenset[str], in_force: frozenset[str], wanted: frozenset[str], **more: int):  # type: ignore[no-untyped-def]
    known = {"accepted": False, "unchanged_ms": 0, "shrink_ms": 300_000} | more
    return plan(base, in_force, wanted, **known)  # type: ignore[arg-type]


@given(LISTS, LISTS)
def test_a_list_shrinks_if_it_loses_more_than_half_or_everyone(
    base: frozenset[str], wanted: frozenset[str]
) -> None:
    """Excluded queues are not counted; a list of up to three entries must become empty."""
    had = {entry for entry in base if not entry.startswith("!")}
    kept = had & wanted
    left = {entry for entry in wanted if not entry.startswith("!")}
    too_much = len(kept) < len(had) / 2 if len(had) > 3 else bool(had) and not left
    assert ("*" in had - wanted or too_much) == shrinks(base, wanted)


@given(LISTS, LISTS, LISTS, st.booleans(), st.sampled_from([0, 299_999, 300_000]))
def test_additions_take_effect_at_once_and_a_large_loss_does_not(
    base: frozenset[str], added: frozenset[str], wanted: frozenset[str], accepted: bool, age: int
) -> None:
    """While a loss is held back, all entries in force stay, excluded queues too, and additions take
    effect. A list that is accepted, old enough, or that loses little takes effect as it is."""
    in_force = base | added
    planned = _planned(base, in_force, wanted, accepted=accepted, unchanged_ms=age)

    assert wanted <= set(planned.entries)
    if planned.held_back is None:
        assert sorted(wanted) == list(planned.entries)
        assert accepted or age >= 300_000 or not shrinks(base, wanted)
    else:
        assert in_force | wanted == set(planned.entries)
        assert set(planned.held_back.lost) == {e for e in base - wanted if e[0] != "!"}
        assert not accepted


def test_a_list_of_which_all_was_replaced_is_measured_against_what_it_was() -> None:
    """Its additions are in force while it is held back; they do not make the loss look smaller."""
    base, wanted = frozenset(ADDRESSES[:4]), frozenset(ADDRESSES[4:])
    first = _planned(base, base, wanted)
    again = _planned(base, frozenset(first.entries), wanted)

    assert first.held_back is not None
    assert again.held_back is not None
    assert first.held_back.lost == again.held_back.lost == tuple(ADDRESSES[:4])
    assert set(ADDRESSES) == set(again.entries)


def _version(number: int, *entries: str, at: int = 0, base: int = 0) -> RecordingPolicy:
    return RecordingPolicy(number, at, at, entries, True, True, base=base)


def test_looking_an_entry_up_does_not_depend_on_the_lists_length() -> None:
    """The list is compiled once, not hashed for each look-up."""
    compared = 0

    class Counted(str):
        __slots__ = ()

        def __hash__(self) -> int:
            nonlocal compared
            compared += 1
            return super().__hash__()

    policy = _version(1, *(Counted(f"a{n}@x.y") for n in range(1_000)))
    for _ in range(100):
        assert is_monitored(policy, "a7@x.y", None, None)
    assert 1_000 == compared


def test_the_losses_at_the_limits() -> None:
    """Three entries may lose two, four may lose two, five may lose two."""
    losses = [(had, lost) for had in range(1, 6) for lost in range(1, had + 1)]
    shrunk = {(had, lost) for had, lost in losses if shrinks(ADDRESSES[:had], ADDRESSES[lost:had])}
    assert {(1, 1), (2, 2), (3, 3), (4, 3), (4, 4), (5, 3), (5, 4), (5, 5)} == shrunk
