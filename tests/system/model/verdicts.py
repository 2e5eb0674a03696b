"""The model's decisions: whether a call is recorded at a moment, by the knowledge of that moment.

From the specification's section on recorded agents and the two rules for transfers. Everything is
computed anew from the deliveries.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.system.model.story import Session, Story, story

Delivery = tuple[int, dict[str, Any], int]
"""When the product received it (ms, its log's clock), the CloudEvent, and its arrival (ms)."""

SECOND = 1_000
RINGS_AT_MOST = 600 * SECOND
DIRECTION_WITHIN = 5 * SECOND


@dataclass(frozen=True)
class ListVersion:
    """A version of the list: its lines, the two switches, and from when it holds (ms)."""

    version: int
    holds_from: int
    lines: tuple[str, ...] = ()
    inbound: bool = True
    outbound: bool = True


NOBODY = ListVersion(0, 0)


@dataclass(frozen=True)
class Verdict:
    """`record`: the call is recorded; `begins`: also if it was not before (False: only a running
    recording continues). `kind`: monitored, bridging, ended, off-list, excluded, none, absent,
    internal, direction, no-direction or unknown. `version`: the list's."""

    record: bool
    begins: bool
    kind: str
    version: int


@dataclass(frozen=True)
class Moment:
    """The state from `at` on. `streams`: a media stream must run; `overdue`: a monitored agent
    accepted the call, and its direction should be known by now."""

    at: int
    verdict: Verdict
    streams: bool
    story: Story | None
    overdue: bool = False


def in_force(versions: Iterable[ListVersion], at: int) -> ListVersion:
    """The version that holds at a time; of two from the same time the higher."""
    held = [v for v in versions if v.holds_from <= at]
    return max(held, key=lambda v: (v.holds_from, v.version), default=NOBODY)


def is_named(version: ListVersion, session: Session) -> bool:
    """Whether a line of the list names the worker by any of their names, the queue or the team."""
    lines = {line.strip().lower().replace(": ", ":") for line in version.lines}
    names = [session.extension, session.team and f"team:{session.team}", *session.called]
    names += [session.queue and f"queue:{session.queue}", "*"]
    return bool(lines & {name.lower() for name in names if name})


def is_excluded(version: ListVersion, session: Session) -> bool:
    """Whether the session's queue is never recorded."""
    lines = {line.strip().lower().replace(": ", ":") for line in version.lines}
    return f"!queue:{session.queue or ''}".lower() in lines


def is_monitored(version: ListVersion, session: Session) -> bool:
    """Whether the session is one of a monitored agent."""
    return is_named(version, session) and not is_excluded(version, session)


def was_monitored(versions: Sequence[ListVersion], session: Session, until: int) -> bool:
    """Whether the agent was on the list at any moment between accepting and leaving (`until`, if
    the agent has not left)."""
    if session.started_at is None:
        return False
    end = until if session.ended_at is None else session.ended_at
    times = [v.holds_from for v in versions if session.started_at < v.holds_from < end]
    return any(is_monitored(in_force(versions, t), session) for t in (session.started_at, *times))


def decide(
    call: Story | None, versions: Sequence[ListVersion], now: int, alone_since: int | None = None
) -> Verdict:
    """The decision at `now`. `alone_since`: since when it has been known that no worker is on the
    call, if so."""
    version = in_force(versions, now)
    kind = _kind(call, versions, now, alone_since)
    return Verdict(kind in ("monitored", "bridging"), kind == "monitored", kind, version.version)


def _kind(
    call: Story | None, versions: Sequence[ListVersion], now: int, alone_since: int | None
) -> str:
    version = in_force(versions, now)
    if call is None or call.state == "ignored":
        return "unknown"
    if call.direction is None:
        return "no-direction"
    if call.direction == "internal":
        return "internal"
    if not (version.inbound if call.direction == "inbound" else version.outbound):
        return "direction"
    if call.over_at is not None:
        return "ended"
    return _by_sessions(call, versions, now, alone_since or 0)


def _by_sessions(call: Story, versions: Sequence[ListVersion], now: int, alone_since: int) -> str:
    version = in_force(versions, now)
    on = [s for s in call.sessions if s.is_on]
    if any(is_monitored(version, s) for s in on):
        return "monitored"
    away = any(s.is_absent and is_monitored(version, s) for s in call.sessions)
    if on:
        kind = _by_who_is_on(on, versions, now)
        return "absent" if away and kind != "excluded" else kind
    if call.state != "ended" and _bridges(call, versions, now, alone_since):
        return "bridging"
    return "absent" if away else "none"


def _by_who_is_on(on: list[Session], versions: Sequence[ListVersion], now: int) -> str:
    version = in_force(versions, now)
    if any(is_named(version, s) and is_excluded(version, s) for s in on):
        return "excluded"
    return "off-list" if any(was_monitored(versions, s, now) for s in on) else "none"


def _bridges(call: Story, versions: Sequence[ListVersion], now: int, alone_since: int) -> bool:
    """Whether, with no agent on the call, a transfer from a monitored agent to another is under
    way."""
    gone = [s for s in call.sessions if s.started_at is not None and s.ended_at is not None]
    if not gone:
        return False
    last = max(gone, key=lambda s: s.ended_at or 0)
    left = last.ended_at or 0
    since = [left, now, *(v.holds_from for v in versions if left < v.holds_from < now)]
    if not any(is_monitored(in_force(versions, at), last) for at in since if at <= now):
        return False
    version = in_force(versions, now)
    ringing = [
        s for s in call.sessions
        if s.started_at is None and s.ended_at is None and now < s.created_at + RINGS_AT_MOST
    ]  # fmt: skip
    if ringing:
        soon = [s for s in ringing if s.created_at <= left + SECOND]
        return any(is_monitored(version, s) for s in soon)
    shaping = any(
        t.begun_at <= left and not t.is_over
        and not any(s.created_at >= t.begun_at for s in call.sessions)
        for t in call.transfers
    )  # fmt: skip
    return shaping and now < max(left, alone_since) + SECOND


def timeline(
    deliveries: Iterable[Delivery],
    task_sid: str,
    versions: Sequence[ListVersion],
    moments: Iterable[int] = (),
    legs: Collection[str] = (),
) -> list[Moment]:
    """The state after each delivery, at each of `moments`, and whenever the passing of time or a
    version of the list may change it; in the order of time. A moment is after the deliveries of
    the same time. `legs`: as in `story`."""
    deliveries = sorted(deliveries, key=lambda d: d[0])
    ahead = {*moments, *(at for at, _, _ in deliveries), *(v.holds_from for v in versions)}
    known_from = min((at for at, _, _ in deliveries), default=0)
    ahead = {at for at in ahead if at >= known_from}
    found: list[Moment] = []
    alone_since, streams = None, False
    while ahead:
        at = min(ahead)
        ahead.remove(at)
        known = [(e, arrived) for t, e, arrived in deliveries if t <= at]
        call = story(known, task_sid, at, legs)
        if call is None or any(s.is_on for s in call.sessions):
            alone_since = None
        elif alone_since is None:
            alone_since = at
        verdict = decide(call, versions, at, alone_since)
        streams = verdict.record and (verdict.begins or streams)
        overdue = call is not None and _is_overdue(call, versions, at)
        found.append(Moment(at, verdict, streams, call, overdue))
        ahead |= {t for t in _deadlines(call, alone_since) if t > at}
    return found


def _deadlines(call: Story | None, alone_since: int | None) -> set[int]:
    if call is None:
        return set()
    found = {s.created_at + RINGS_AT_MOST for s in call.sessions}
    found |= {s.started_at + DIRECTION_WITHIN for s in call.sessions if s.started_at is not None}
    if alone_since is not None:
        ends = [s.ended_at for s in call.sessions if s.ended_at is not None]
        found.add(max([alone_since, *ends]) + SECOND)
    return found


def _is_overdue(call: Story, versions: Sequence[ListVersion], now: int) -> bool:
    """Whether a monitored agent accepted 5 s ago, or at any time if the call is over."""
    wait = 0 if call.state == "ended" else DIRECTION_WITHIN
    return any(
        s.started_at is not None and s.started_at + wait <= now and was_monitored(versions, s, now)
        for s in call.sessions
    )


def must_stream(
    deliveries: Iterable[Delivery], task_sid: str, versions: Sequence[ListVersion], at: int
) -> bool:
    """Whether a media stream of the customer's leg must run at `at`, by the deliveries until
    then."""
    known = [d for d in deliveries if d[0] <= at]
    held = [v for v in versions if v.holds_from <= at]
    found = [m for m in timeline(known, task_sid, held, [at]) if m.at <= at]
    return bool(found) and found[-1].streams


def changes_of(found: Iterable[Moment]) -> list[tuple[int, str, str]]:
    """The decisions that are published along a timeline: when, `record`, `stop` or `do-not-record`,
    and the kind of reason. That a call is not recorded is published once an agent accepted, or it
    is over, and again if there is another reason while it continues; a stop is not repeated.
    That its direction is not known is published 5 s after a monitored agent accepted."""
    published: list[tuple[int, str, str]] = []
    for moment in found:
        kind, over = moment.verdict.kind, moment.story is not None and moment.story.state == "ended"
        _, last, last_kind = published[-1] if published else (0, "", "")
        word = ""
        if moment.verdict.record:
            word = "record" if moment.verdict.begins and last != "record" else ""
        elif last == "record":
            word = "stop"
        elif last == "" or (last == "do-not-record" and not over and _differ(kind, last_kind)):
            word = "do-not-record" if _is_settled(moment) else ""
        if word:
            published.append((moment.at, word, kind))
    return published


def _differ(kind: str, other: str) -> bool:
    """Whether two reasons not to record are published in different words."""
    without_agent = ("none", "off-list", "ended", "absent")
    return kind != other and not (kind in without_agent and other in without_agent)


def _is_settled(moment: Moment) -> bool:
    if moment.story is None or moment.verdict.kind == "unknown":
        return False
    if moment.verdict.kind == "no-direction":
        return moment.overdue
    accepted = any(s.started_at is not None for s in moment.story.sessions)
    return accepted or moment.story.state == "ended"
