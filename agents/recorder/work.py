"""The recorder's work items, grouped and ordered."""

from collections.abc import Iterable, Sequence
from typing import assert_never

from aiokafka import ConsumerRecord

from pipeline.recordings.effects import (
    Effect,
    Ignored,
    RecordingBegan,
    RecordingEnded,
    Refused,
    SegmentCut,
)
from pipeline.recordings.keys import recording_id
from schemas.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """An effect, and the record that caused it."""

    effect: Effect
    message: ConsumerRecord


def of_streams(cuts: Sequence[Work]) -> list[list[Work]]:
    """Return the work of each recording, in order."""
    groups: dict[str, list[Work]] = {}
    for item in cuts:
        assert isinstance(item.effect, SegmentCut)
        groups.setdefault(recording_id(item.effect.recording), []).append(item)
    return list(groups.values())


def in_turn(work: Iterable[Work]) -> tuple[list[Work], list[Work], list[Work]]:
    """Return the work in the three parts that are carried out one after another: beginnings and
    refusals, segments, ends."""
    began: list[Work] = []
    cuts: list[Work] = []
    ended: list[Work] = []
    for item in work:
        match item.effect:
            case RecordingBegan() | Refused() | Ignored():
                began.append(item)
            case SegmentCut():
                cuts.append(item)
            case RecordingEnded():
                ended.append(item)
            case _:
                assert_never(item.effect)
    return began, cuts, ended


def by_partition(work: Iterable[Work]) -> dict[int, list[Work]]:
    """Return the work of each partition of `media`, in order."""
    groups: dict[int, list[Work]] = {}
    for item in work:
        groups.setdefault(item.message.partition, []).append(item)
    return groups
