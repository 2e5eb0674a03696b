"""What the model says of a call, moment by moment, from what lay on the topics at the time.

Pure; times are milliseconds since the epoch, of Kafka's records.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.events import iso
from tests.system.chaos.judging import Demand
from tests.system.chaos.list_faults import EFFECT_MS
from tests.system.chaos.uptime import Span, joined
from tests.system.model.story import Story
from tests.system.model.verdicts import Delivery, ListVersion, Moment, changes_of, timeline

WORDS = ("record", "stop")


@dataclass(frozen=True, slots=True)
class Truth:
    """The expected result of a call. `decisions`: the sequences of `record` and `stop` that may be
    published."""

    story: Story
    demand: Demand
    decisions: frozenset[tuple[str, ...]]


def truth(
    task_sid: str,
    deliveries: Sequence[Delivery],
    handled: Sequence[Delivery],
    listed: Sequence[ListVersion],
    now: int,
    *,
    legs: Collection[str] = (),
) -> Truth | None:
    """Return the call by the events delivered at `now`, and its decisions by the events that the
    pipeline had handled at each time; None if it is no call. `legs`: as in `deliveries`."""
    moments = [m for m in timeline(deliveries, task_sid, listed, [now], legs) if m.at <= now]
    if not moments or moments[-1].story is None:
        return None
    passing = timeline(_apart(handled), task_sid, listed, [now], legs)
    keep = _spans((m, m.verdict.record) for m in moments)
    instants = _instants((m, m.verdict.record) for m in passing)
    keep = tuple(joined([*keep, *instants]))
    begin = _spans((m, m.verdict.begins) for m in moments)
    published = changes_of(timeline(handled, task_sid, listed, [now], legs))
    changes = {version.holds_from for version in listed}
    decisions = sequences([(at, word) for at, word, _ in published if word in WORDS], changes)
    return Truth(moments[-1].story, Demand(keep, begin), decisions)


def sequences(
    published: Sequence[tuple[int, str]], changes: Collection[int]
) -> frozenset[tuple[str, ...]]:
    """Return the sequences of decisions that are right. A version of the list takes effect within
    `EFFECT_MS`: a decision that the next event reverts before that may be absent. `published`:
    time (ms) and decision; `changes`: when versions of the list begin to hold (ms)."""
    if not published:
        return frozenset({()})
    (at, word), *rest = published
    found = {(word, *words) for words in sequences(rest, changes)}
    if rest and at in changes and rest[0][0] - at < EFFECT_MS:
        found |= sequences(rest[1:], changes)
    return frozenset(found)


def _spans(moments: Iterable[tuple[Moment, bool]]) -> tuple[Span, ...]:
    """Return the spans in which it held. A state at the last moment holds until then."""
    spans: list[Span] = []
    since = None
    for moment, holds in moments:
        if since is not None:
            spans.append(Span(since, moment.at))
        since = moment.at if holds else None
    return tuple(joined(span for span in spans if span.begin < span.end))


def _apart(handled: Iterable[Delivery]) -> list[Delivery]:
    """The same in the same order, no two at one time."""
    found: list[Delivery] = []
    for at, event, arrived in sorted(handled, key=lambda delivery: delivery[0]):
        found.append((max(at, found[-1][0] + 1) if found else at, event, arrived))
    return found


def _instants(moments: Iterable[tuple[Moment, bool]]) -> list[Span]:
    """Return when it began to hold. Events of a batch, after an outage, are handled one after
    another. A state that holds only within the batch may be acted on, and must then be reverted at
    once."""
    found, held = [], False
    for moment, holds in moments:
        if holds and not held:
            found.append(Span(moment.at, moment.at))
        held = holds
    return found


def differences(truth: Truth, contact: Mapping[str, Any] | None, *, connected: bool) -> list[str]:
    """Return the differences of the console's contact from the model. `connected`: a media stream
    of the customer's leg ran."""
    if contact is None:
        return ["no contact"]
    story = truth.story
    sessions = {
        s.reservation_sid: (s.extension, _shown_time(s.started_at), _shown_time(s.ended_at))
        for s in story.sessions
    }
    found = {
        s["reservation_sid"]: (s["extension"], s["started_at"], s["ended_at"])
        for s in contact["sessions"]
    }
    decided = _words(d["decision"] for d in contact["decisions"])
    outcomes = {story.outcome(connected=c) for c in (connected or None, connected)}
    wrong = [
        f"{what} is {actual!r}, expected {wanted!r}"
        for what, wanted, actual in (
            ("direction", story.direction, contact["direction"]),
            ("customer", story.customer, contact["customer"]),
            ("state", story.state, contact["state"]),
            *((sid, sessions.get(sid), found.get(sid)) for sid in {*sessions, *found}),
        )
        if wanted != actual
    ]
    if decided not in truth.decisions:
        wrong.append(f"decisions are {decided}, expected one of {sorted(truth.decisions)}")
    if contact["outcome"] not in outcomes:
        wrong.append(f"outcome {contact['outcome']}: {outcomes}")
    return wrong


def _words(decisions: Iterable[str]) -> tuple[str, ...]:
    """What concerns media streams; the reasons for having none come after the fact."""
    return tuple(word for word in decisions if word in WORDS)


def _shown_time(at: int | None) -> str | None:
    return None if at is None else iso(at)
