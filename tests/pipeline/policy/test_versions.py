"""Versions of the monitored list in parts."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.policy.list_changes import Content
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.policy.versions import Assembly, content_hash, hash_of, is_damaged, key_of, parts_of
from schemas.records import RecordingPolicy

ADDRESSES = [f"agent{n}@example.com" for n in range(9)]
LISTS = st.frozensets(st.sampled_from([*ADDRESSES, "*", "team:sales", "!queue:vip", "!queue:hr"]))


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
    version = _version(7, *sorted(entries))
    parts = parts_of(version, most)
    arrived = [*parts[:-1], *chance.choices(parts[:-1] or parts, k=3)] if len(parts) > 1 else []
    chance.shuffle(arrived)
    assembly = Assembly()
    assert not any(assembly.add(part) for part in arrived)

    assert replace(version, hash=hash_of(version)) == assembly.add(parts[-1])
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
    """Until all parts are there, the previous version is in force. If the parts do not match the
    hash, the version never takes effect."""
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


def test_a_part_is_filled_up_to_its_limit() -> None:
    """A new part begins with the entry that does not fit; an entry that is too large is alone."""
    whole = _version(7, "aa", "bb", "cc", "ddddddd", "e")
    assert [("aa", "bb"), ("cc",), ("ddddddd",), ("e",)] == [p.entries for p in parts_of(whole, 4)]
