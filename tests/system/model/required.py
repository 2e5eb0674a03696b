"""The model's required time: when a call had to be recorded, by the final knowledge.

From the specification: the time in which the policy says `record` over the call's final events,
from the first evidence of the customer's leg. An outbound call that rings is not required. The
events' statements about people and legs hold for the whole call; later events have not happened yet
at a moment. The verdict is computed naively: at every time that an event names, and at every
deadline that may follow from one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from tests.system.model.legs import Leg, legs_of
from tests.system.model.parts import Session, Story, Transfer
from tests.system.model.presence import outsiders
from tests.system.model.reader import Reader
from tests.system.model.reading import attributes
from tests.system.model.story import Known, statements_of
from tests.system.model.verdicts import RINGS_AT_MOST, SECOND, ListVersion, decide
from tests.system.model.words import text


def required(
    known: Iterable[Known],
    task_sid: str,
    versions: Sequence[ListVersion],
    until: int,
    opened_at: int | None = None,
    *,
    legs: Collection[str] = (),
) -> list[tuple[int, int]]:
    """The spans (ms) in which the call had to be recorded, by time. `until` ends those of a call
    that is not over; `opened_at`: when a media stream of it was first opened, if one was.
    `legs`: call SIDs that only Twilio's lists show to be the call's."""
    statements = statements_of(known, task_sid, legs)
    if not statements:
        return []
    reader = Reader(task_sid, statements)
    story = reader.story(0)
    since = _evidence(reader, story, opened_at)
    if since is None or story.state not in ("active", "ended"):
        return []
    moments = _moments(reader, story, versions)
    if story.state == "active":
        moments = [at for at in moments if at < until] + [until]
    spans: list[tuple[int, int]] = []
    begun: int | None = None
    for at in moments:
        verdict = decide(_as_it_was(reader, story, at), versions, at)
        records = verdict.record and (verdict.begins or begun is not None)
        if begun is not None and (not records or at == moments[-1]):
            spans.append((max(begun, since), at))
        begun = (at if begun is None else begun) if records else None
    return [span for span in spans if span[0] < span[1]]


def _moments(reader: Reader, story: Story, versions: Sequence[ListVersion]) -> list[int]:
    moments = {statement["at"] for statement in reader.statements}
    moments |= {at for steps in reader.transfers.values() for at in steps.values()}
    moments |= {version.holds_from for version in versions}
    moments |= {at for s in story.sessions for at in (s.created_at, s.started_at, s.ended_at) if at}
    return sorted({at + wait for at in moments for wait in (0, SECOND, RINGS_AT_MOST)})


def _as_it_was(reader: Reader, story: Story, at: int) -> Story:
    """The call at a moment."""
    done = min(
        (reader.steps[s] for s in ("completed", "deleted", "system-deleted") if s in reader.steps),
        default=None,
    )
    over = story.over_at is not None and story.over_at <= at
    return replace(
        story,
        state="ended" if over or (done is not None and done <= at) else "active",
        over_at=story.over_at if over else None,
        sessions=tuple(_session(s, at) for s in story.sessions if _is_there(s, at)),
        transfers=tuple(
            Transfer(t["begun"], t.get("over", at + 1) <= at)
            for t in reader.transfers.values()
            if t.get("begun", at + 1) <= at
        ),
    )


def _is_there(session: Session, at: int) -> bool:
    return session.created_at <= at or (session.started_at is not None and session.started_at <= at)


def _session(session: Session, at: int) -> Session:
    started, ended = session.started_at, session.ended_at
    for gone, back in session.absences:
        ended = gone if gone <= at < back else ended
    return replace(
        session,
        started_at=started if started is not None and started <= at else None,
        ended_at=ended if ended is not None and ended <= at else None,
    )


def _evidence(reader: Reader, story: Story, opened_at: int | None) -> int | None:
    """When there was first evidence of the customer's leg."""
    legs = legs_of(reader.statements, reader.facts, reader.people)
    if story.direction == "inbound":
        if reader.named_legs:
            return story.started_at
        seen = _answered(legs, "customer", "unknown")
        return seen[0] if seen else opened_at
    if story.direction != "outbound":
        return None
    seen = _answered(legs, "customer") + _mentioned_in_conference(reader)
    if seen:
        return min(seen)
    others = [leg.joined_at for leg in outsiders(legs, reader.reservations) if leg.joined_at]
    return others[0] if others else opened_at


def _answered(legs: Sequence[Leg], *parties: str) -> list[int]:
    return sorted(
        leg.joined_at
        for leg in legs
        if leg.party in parties and leg.was_on and leg.joined_at is not None
    )


def _mentioned_in_conference(reader: Reader) -> list[int]:
    """When the task first said that the customer is in the conference."""
    times = []
    for statement in reader.statements:
        if statement["subject"] in ("task", "reservation"):
            task = attributes(statement["words"].get("task_attributes"))
            people = (task.get("conference") or {}).get("participants") or {}
            if text(people.get("customer")):
                times.append(statement["at"])
    return times[:1]
