"""Ids of a registry in use for the length of a block, in this process."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from schemas import codec

_TABLES = ("_WRITE_BY", "_NAMES", "_READ_BY", "_UNION_MEMBERS", "_TYPE_BY_HEAD")


@contextmanager
def ids_as_before() -> Iterator[None]:
    """Undo at the end what `read_ids` and `write_ids` did during the block."""
    before = {name: dict(getattr(codec, name)) for name in _TABLES}
    heads = {name: set(found) for name, found in codec._CURRENT_HEADS.items()}
    try:
        yield
    finally:
        for name, content in before.items():
            table = getattr(codec, name)
            table.clear()
            table.update(content)
        for name, found in heads.items():
            codec._CURRENT_HEADS[name].clear()
            codec._CURRENT_HEADS[name].update(found)


@contextmanager
def other_ids(ids: Mapping[int, Iterable[int]]) -> Iterator[None]:
    """Use ids as a registration does: all are read, the first of each is written."""
    with ids_as_before():
        found = {fixed: tuple(each) for fixed, each in ids.items()}
        codec.read_ids(found)
        codec.write_ids({fixed: each[0] for fixed, each in found.items()})
        yield


def every_id() -> list[int]:
    """Return the fixed ids of all schemas of this repository, unions included."""
    return [*filter(codec.OUR_IDS.__contains__, codec._NAMES), *codec._UNION_MEMBERS]
