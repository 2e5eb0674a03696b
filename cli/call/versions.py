"""A call as it was known at any moment, from the records of its topics with their log times.
Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar, get_args

from cli.call.changes import changes
from pipeline.contacts.state import Input, empty, fold
from schemas.records import Call, ContactState, DeadLetter

R = TypeVar("R")

_INPUTS: tuple[type, ...] = get_args(Input)


@dataclass(frozen=True, slots=True)
class Logged(Generic[R]):
    """A record on a topic with its log time (ms)."""

    at: int
    record: R


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a call, with its changes. `at`: the log time from which it was valid (ms)."""

    at: int
    call: Call
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownVersions:
    """The state of a call at a moment: its version at that time, and its decisions, media streams
    and recordings. `known`: without the call itself, which is in `version`; `dead_letters`: the
    records that name the call and could not be processed, in the order of the log."""

    version: Version
    known: ContactState
    dead_letters: tuple[Logged[DeadLetter], ...] = ()


def versions(logged: Iterable[Logged[Call]]) -> tuple[Version, ...]:
    """Return every version, in the order of the log, without those that a process wrote again after
    it was killed."""
    found: list[Version] = []
    seen: dict[int, Call] = {}
    for entry in logged:
        call = entry.record
        if seen.get(call.revision) == call:
            continue
        seen[call.revision] = call
        last = found[-1].call if found else None
        found.append(Version(entry.at, call, changes(last, call)))
    return tuple(found)


def held(all_of_them: Iterable[Version], at: int) -> Version | None:
    """Return the version that was valid at `at`; None: the call was not known yet."""
    return next((v for v in reversed(tuple(all_of_them)) if v.at <= at), None)


def known(version: Version, others: Iterable[Logged[object]]) -> KnownVersions:
    """Return the version together with the content of the other records."""
    state = empty(version.call.task_sid)
    dead: list[Logged[DeadLetter]] = []
    for entry in others:
        if isinstance(entry.record, DeadLetter):
            dead.append(Logged(entry.at, entry.record))
        if isinstance(entry.record, _INPUTS) and not isinstance(entry.record, Call):
            state = fold(state, entry.record, entry.at)  # type: ignore[arg-type]
    return KnownVersions(version, state, tuple(dead))
