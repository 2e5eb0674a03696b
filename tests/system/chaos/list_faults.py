"""The monitored list's file is damaged for a while, again and again, and no call may notice."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from schemas.records import RecordingPolicy
from simulator.demo import DemoList
from simulator.media import clock
from tests.system.chaos.uptime import Span, moment
from tests.system.model.verdicts import ListVersion

Say = Callable[[str], None]

EFFECT_MS = 5_000
"""A change of the list takes effect within this, once the file is whole."""
LASTING_S = (2.0, 20.0)
MOST_LEFT = 0.4
"""More than half of the entries must be lost: a smaller loss is a change like any other."""


@dataclass(frozen=True, slots=True)
class RealList:
    """The list as its administrator means it: entries in normal form, and since when (ms) the file
    has held them."""

    entries: frozenset[str]
    since: int


class DamagedList(DemoList):
    """The file of the monitored list, which can be damaged and restored. `history`: the real lists;
    `damages`: when the file was not whole."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._text = path.read_text()
        self._is_damaged = False
        self.history = [RealList(normal_form(self._text), clock())]
        self.damages: list[Span] = []

    def add(self, line: str) -> None:
        """Add a line. It comes into a damaged file when that is restored."""
        self._text += line + "\n"
        if not self._is_damaged:
            self._write(self._text)
            self.history.append(RealList(normal_form(self._text), clock()))

    async def damage(self, content: str, seconds: float) -> None:
        """Write `content` in place of the list, and restore the list after so long."""
        began, self._is_damaged = clock(), True
        try:
            self.path.write_text(content)  # in place, as a copy does that runs out of disk
            await asyncio.sleep(seconds)
        finally:
            self._write(self._text)
            self._is_damaged = False
            self.damages.append(Span(began, clock()))
            entries = normal_form(self._text)
            if entries != self.history[-1].entries:
                self.history.append(RealList(entries, clock()))

    def damaged_text(self, random: Random) -> tuple[str, str]:
        """Return a name for a damage, and the damaged text."""
        lines = self._text.splitlines(keepends=True)
        named = [number for number, line in enumerate(lines) if is_entry(line)]
        kept = named[round(random.uniform(0, MOST_LEFT) * len(named))]
        whole = "".join(lines[:kept])
        match random.choice(("emptied", "truncated", "half copied", "half copied")):
            case "emptied":
                return "emptied", ""
            case "truncated":
                return "truncated", whole
            case name:
                return name, whole + lines[kept][: random.randint(1, len(lines[kept]) - 2)]


async def keep_damaging(monitored: DamagedList, every: float, random: Random, say: Say) -> None:
    """Damage the list's file again and again. Never returns."""
    if every <= 0:
        await asyncio.Event().wait()
    while True:
        await asyncio.sleep(every * random.uniform(0.5, 1.5))
        name, text = monitored.damaged_text(random)
        seconds = random.uniform(*LASTING_S)
        say(f"the monitored list is {name} for {seconds:.1f} s")
        await monitored.damage(text, seconds)


def is_entry(line: str) -> bool:
    """Return whether a line of the list is an entry."""
    return bool(line.strip()) and not line.startswith(("#", "!"))


def normal_form(text: str) -> frozenset[str]:
    """Return the entries of a list, in lower case."""
    lines = (line.strip().lower() for line in text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class InForce:
    """The real lists as versions for the model, and the differences from the published versions."""

    versions: list[ListVersion]
    wrong: list[str]


def in_force(
    history: Sequence[RealList],
    published: Iterable[RecordingPolicy],
    blocked: Sequence[Span],
    bound_ms: int = EFFECT_MS,
) -> InForce:
    """Return when each real list was in force, by the versions that were published. None of these
    may lack an entry that was in force before. `blocked`: when nothing could be published, or the
    file was damaged: an addition just before can be read only from the restored file."""
    found = InForce([], [])
    number = -1
    for policy in sorted(published, key=lambda policy: (policy.effective_at, policy.version)):
        entries = frozenset(policy.entries)
        reached = max((n for n, real in enumerate(history) if real.entries <= entries), default=-1)
        if reached < number:
            lost = ", ".join(sorted(history[number].entries - entries))
            found.wrong.append(f"version {policy.version} of the monitored list lacks {lost}")
        for real in history[number + 1 : reached + 1]:
            number += 1
            found.versions.append(_version(number + 1, real, policy))
            late = policy.effective_at - moment(real.since, blocked, bound_ms)
            if number and late > bound_ms:
                found.wrong.append(f"list {number + 1} took effect after {late} ms")
    if number + 1 < len(history):
        found.wrong.append(f"only {number + 1} of {len(history)} monitored lists took effect")
    return found


def _version(number: int, real: RealList, policy: RecordingPolicy) -> ListVersion:
    lines = tuple(sorted(real.entries))
    inbound, outbound = policy.record_inbound, policy.record_outbound
    return ListVersion(number, policy.effective_at, lines, inbound, outbound)
