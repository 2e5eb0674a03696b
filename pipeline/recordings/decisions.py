"""The decisions on calls, which the recorder reads beside the audio, and the audio they withhold.

A frame that was received 2 s or more after a `stop` or `do-not-record`, and before the next
`record`, must not be audible: Twilio's API, which ends media streams, may fail or be late.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from schemas.fast_dataclass import dataclass
from schemas.records import RecorderDecision, RecordingDecided

RECORD = "record"
GRACE_MS = 2_000
"""The time that Twilio may take to end a media stream after the decision."""
REMEMBERED_MS = 26 * 60 * 60 * 1000
"""How long a decision is remembered, in log time: longer than any call. For audio that arrives
later, the closing checkpoint has the decisions of its call."""
MAX_TEXTS = 10_000
MAX_DECISIONS = 1_000
"""The most decisions on one call that are kept. The earliest are dropped first."""


@dataclass(frozen=True, slots=True)
class DecisionPeriod:
    """A time in which no audio may be kept: from `begin_at` (ms), before `end_at` (None: without
    end), because of `decision`."""

    begin_at: int
    end_at: int | None
    decision: RecorderDecision


def periods(decisions: Iterable[RecorderDecision]) -> tuple[DecisionPeriod, ...]:
    """Return the times in which the decisions on a call withhold audio, ascending. A decision may
    occur twice."""
    found: list[DecisionPeriod] = []
    held: RecorderDecision | None = None
    for decision in sorted(set(decisions), key=_in_order):
        if decision.decision == RECORD:
            found += _period(held, decision.at)
            held = None
        elif held is None:
            held = decision
    return (*found, *_period(held, None))


def _period(held: RecorderDecision | None, end_at: int | None) -> Iterator[DecisionPeriod]:
    if held is not None and (end_at is None or end_at > held.at + GRACE_MS):
        yield DecisionPeriod(held.at + GRACE_MS, end_at, held)


def _in_order(decision: RecorderDecision) -> tuple[int, int]:
    return decision.at, decision.offset


class Decisions:
    """The decisions of a partition's calls. `unsaved` are those that no checkpoint has yet."""

    def __init__(self) -> None:
        self._of_task: dict[str, tuple[RecorderDecision, ...]] = {}
        self._texts: dict[str, str] = {}  # one copy of each reason: few texts, many decisions
        self._in_log: deque[RecorderDecision] = deque()
        self._unsaved: list[RecorderDecision] = []

    def restore(self, known: Iterable[RecorderDecision]) -> None:
        """Add decisions from checkpoints."""
        for decision in sorted(known, key=lambda each: each.offset):
            self._add(decision)

    def add(self, decided: RecordingDecided, offset: int, heard_at: int) -> bool:
        """Add the decision in the record at `offset`; return False if it is known."""
        d = decided
        decision = RecorderDecision(d.task_sid, d.at, d.decision, d.reason, offset, heard_at)
        if any(_same(decision, known) for known in self.of(d.task_sid)):
            return False
        self._add(decision)
        self._unsaved.append(decision)
        return True

    def of(self, task_sid: str) -> Sequence[RecorderDecision]:
        """Return the decisions on a call."""
        return self._of_task.get(task_sid, ())

    @property
    def first_unsaved(self) -> int | None:
        """The offset of the first decision that is in no checkpoint; None if all are in one."""
        return self._unsaved[0].offset if self._unsaved else None

    def unsaved(self, before: int | None) -> list[RecorderDecision]:
        """Return the decisions to put into checkpoints; they count as saved from now on. These are
        all unsaved ones, if the first has a Kafka timestamp below `before` (ms; None: always)."""
        if not self._unsaved or (before is not None and self._unsaved[0].heard_at >= before):
            return []
        saved, self._unsaved = self._unsaved, []
        return saved

    def forget(self, passed: int, now: int) -> list[RecorderDecision]:
        """Drop and return decisions below the offset `passed` that were made long before `now` (ms,
        log time). The caller deletes their checkpoints."""
        gone: list[RecorderDecision] = []
        while self._in_log and _may_go(self._in_log[0], passed, now):
            decision = self._in_log.popleft()
            rest = tuple(each for each in self.of(decision.task_sid) if each is not decision)
            self._of_task[decision.task_sid] = rest
            if not rest:
                del self._of_task[decision.task_sid]
            gone.append(decision)
        return gone

    def _add(self, decision: RecorderDecision) -> None:
        if len(self._texts) >= MAX_TEXTS:
            self._texts.clear()
        text = self._texts.setdefault(decision.reason, decision.reason)
        decision = replace(decision, reason=text)
        known = (*self.of(decision.task_sid), decision)
        self._of_task[decision.task_sid] = known[-MAX_DECISIONS:]
        self._in_log.append(decision)


def _may_go(decision: RecorderDecision, passed: int, now: int) -> bool:
    return decision.offset < passed and now > decision.heard_at + REMEMBERED_MS


def _same(one: RecorderDecision, other: RecorderDecision) -> bool:
    return (one.at, one.decision) == (other.at, other.decision)
