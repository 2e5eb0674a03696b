"""How a changed monitored list takes effect, and its versions as records."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.policy.list_changes import Content, plan, shrinks
from pipeline.policy.monitored_list import PolicyHistory, is_monitored
from pipeline.policy.versions import (
    Assembly,
    content_hash,
    hash_of,
    is_damaged,
    key_of,
    parts_of,
)
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


@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), unique=True),
    st.integers(1, 60),
    st.randoms(use_true_random=False),
)
def test_a_version_survives_being_cut_into_parts(
    entries: list[str], most: int, chance: random.Random
) -> None:
    """Whatever the order of the parts and however often each came; each part is small, or holds
    one entry."""
    whole = _version(7, *sorted(entries))
    parts = parts_of(whole, most)
    came = [*parts[:-1], *chance.choices(parts[:-1] or parts, k=3)] if len(parts) > 1 else []
    chance.shuffle(came)
    assembly = Assembly()
    assert not any(assembly.add(part) for part in came)

    assert replace(whole, hash=hash_of(whole)) == assembly.add(parts[-1])
    assert len({key_of(part) for part in parts}) == len(parts)
    for part in parts:
        assert len(part.entries) == 1 or len("".join(part.entries).encode()) <= most or not entries


def test_the_first_part_has_the_versions_number_as_its_key() -> None:
    """Readers of earlier versions, which do not know parts, find a short list under the same key as
    before."""
    assert ["7", "7-1", "7-2"] == [key_of(p) for p in parts_of(_version(7, "a", "b", "c"), 1)]


@given(LISTS, st.booleans(), st.booleans())
def test_the_hash_names_the_content(entries: frozenset[str], inbound: bool, outbound: bool) -> None:
    """The order of the entries does not matter, each switch and entry does."""
    named = Content(tuple(sorted(entries)), inbound, outbound).hash
    assert named == content_hash(sorted(entries, reverse=True), inbound=inbound, outbound=outbound)
    assert named != Content((*sorted(entries), "z"), inbound, outbound).hash
    assert named != Content(tuple(sorted(entries)), not inbound, outbound).hash


def test_a_version_counts_once_all_its_parts_are_there() -> None:
    """Until all parts are there, the previous version is in force. A version whose parts do not
    match its hash never is."""
    parts = parts_of(_version(2, "a", "b", at=10), 1)
    history = PolicyHistory.of([_version(1), parts[1]])
    assert 1 == history.latest.version
    history.add(parts[0])
    assert (2, ("a", "b")) == (history.latest.version, history.latest.entries)

    history.add(replace(parts[0], version=3, parts=1, effective_at=20))
    assert (2, (3,)) == (history.latest.version, history.damaged)
    assert not is_damaged(history.latest)


def test_a_number_that_is_used_again_is_reported_and_the_newest_content_holds() -> None:
    """The topic was lost: numbers began at 1 again. Nothing is ignored, and nothing is silent."""
    history = PolicyHistory.of([_version(1, "a"), _version(2, "b", at=10)])
    history.add(_version(1, "c", at=20))
    history.add(_version(1, "c", at=20))

    assert (1,) == history.reused
    assert ("c",) == history.latest.entries == history.at(20).entries
    assert ("b",) == history.at(19).entries
    assert 2 == history.last_number


def test_the_base_is_the_last_list_that_was_taken_as_its_file_had_it() -> None:
    """A version that only adds to it, while a loss is held back, names it."""
    history = PolicyHistory.of([_version(1, "a"), _version(2, "a", "b", at=10, base=1)])
    assert (1, ("a",)) == (history.base.version, history.base.entries)
    history.add(_version(3, "b", at=20))
    assert 3 == history.base.version


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
