"""The retriever's job for a call: when it begins, waits, is done, or fails. Pure.

A job is a record on `retrievals`, and has all that is needed to carry it out. Any retriever can
continue it. It contains its results, so that no replay of contacts fetches a recording again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.contacts.spans import Span, common, normalized, total
from pipeline.recovery.sources import SLACK_MS
from pipeline.recovery.wanted import (
    USEFUL_MS,
    Recovery,
    difference,
    is_final,
    own_legs,
    recovered,
    required,
    wanted,
)
from schemas.codec import decode, encode
from schemas.records import Contact, RequiredSpan, RetrievalJob, RetrievedRecording
from schemas.states import RecordingSource, RetrievalOutcome, RetrievalState

KEPT_MS = 45 * 24 * 60 * 60 * 1000
"""How long a job that is over is kept. Twilio keeps the data of a deleted recording for 40
days."""
MAX_PAUSE_MS = 60 * 60 * 1000
MIN_PAUSE_MS = 1_000
MAX_DELAYS = 10
MAX_RETRIEVED = 500
"""The number of results that a job keeps, the latest ones."""

NO_RECORDING = "no-recording"
NOT_READY = "not-ready"
NOTHING_WANTED = "nothing-wanted"
STORED = "stored"


@dataclass(frozen=True, slots=True)
class Timing:
    """When Twilio is asked: `delay_ms` after the end of the call, then at growing intervals, until
    `give_up_ms` after the job began.

    If a contact is late, more late events may follow, and they may change the required time. So a
    job waits as long again as the contact was late, at most `MAX_DELAYS` times the delay.
    """

    delay_ms: int
    give_up_ms: int

    def due_at(self, contact: Contact, now: int) -> int:
        """Return when to ask for the recordings of a contact that was read at `now` (ms)."""
        ended_at = contact.ended_at or now
        late_ms = max(0, now - ended_at)
        return max(ended_at + self.delay_ms, now + min(late_ms, MAX_DELAYS * self.delay_ms))


def after_contact(
    job: RetrievalJob | None, contact: Contact, recovery: Recovery, timing: Timing, now: int
) -> RetrievalJob | None:
    """Return the job as changed by a version of the contact that was read at `now` (ms, log time);
    None: it is unchanged. A version that is not final changes nothing, because a final one will
    follow.
    """
    if not is_final(contact) or (job is not None and contact.revision <= job.revision):
        return None
    spans = wanted(contact, recovery)
    if job is None:
        return _begun(contact, spans, timing, now) if spans else None
    if job.state == RetrievalState.WAITING:
        if not spans:
            over = _over(job, RetrievalState.DONE, NOTHING_WANTED, now)
            return replace(over, revision=contact.revision, wanted=())
        is_changed = spans != spans_of(job.wanted) or required(contact) != _required_before(job)
        return replace(
            job,
            revision=contact.revision,
            contact=_encoded(contact),
            wanted=_required_spans(spans),
            due_at=max(job.due_at, timing.due_at(contact, now)) if is_changed else job.due_at,
            updated_at=now,
        )
    if total(difference(spans, spans_of(job.wanted))) < USEFUL_MS:
        return None  # it was asked for before
    again = _begun(contact, spans, timing, now)
    return replace(again, retrieved=job.retrieved)


def after_attempt(
    job: RetrievalJob,
    found: Sequence[RetrievedRecording],
    not_yet: Sequence[str],
    timing: Timing,
    now: int,
    *,
    gone: Sequence[RetrievedRecording] = (),
) -> RetrievalJob:
    """Return the job after its recordings were looked up at `now` (ms, log time). `found`: the
    results of the recordings that were tried; `not_yet`: the SIDs of recordings that may be ready
    later; `gone`: recordings that Twilio lists without audio.

    Twilio may list a recording minutes after the call. So if all listed recordings are gone, the
    job waits for another one, as if there were none.
    """
    kept = with_results(job, (*gone, *found))
    if not_yet:
        reason = f"{NOT_READY}: {', '.join(not_yet)}"[:500]
    elif any(r.outcome == RetrievalOutcome.STORED for r in found):
        return _over(kept, RetrievalState.DONE, STORED, now)
    else:
        reason = "; ".join(dict.fromkeys(r.reason for r in (*gone, *found)))[:500] or NO_RECORDING
    is_refused = bool(found) and not not_yet
    if is_refused or now - job.since >= timing.give_up_ms:
        return _over(kept, RetrievalState.FAILED, reason, now)
    return _waiting(kept, reason, timing, now)


def after_failure(job: RetrievalJob, why: str, timing: Timing, now: int) -> RetrievalJob:
    """Return the job after an attempt that failed for a temporary reason, such as Twilio or the
    store being unavailable. Such a job is never given up."""
    return _waiting(job, why[:500], timing, now)


def with_latest(
    after: RetrievalJob, present: RetrievalJob, recovery: Recovery, timing: Timing, now: int
) -> RetrievalJob:
    """Return the job `after` an attempt, merged with the changes of later versions of the contact
    that were read meanwhile. `present`: the job with these changes."""
    if present.revision <= after.revision:
        return after
    if present.state == RetrievalState.WAITING:
        latest: Contact = decode(present.contact)
        changed = after_contact(after, latest, recovery, timing, now)
        return changed or replace(after, revision=present.revision)
    if after.state == RetrievalState.WAITING:
        return replace(present, retrieved=after.retrieved)
    return replace(after, revision=present.revision)


def with_results(job: RetrievalJob, found: Iterable[RetrievedRecording]) -> RetrievalJob:
    """Return the job with results added. A later result for the same recording and part replaces an
    earlier one, except that a stored recording stays stored: Twilio may have deleted it since."""
    by_key: dict[tuple[str, int], RetrievedRecording] = {}
    for result in (*job.retrieved, *found):
        key = (result.recording_sid, result.part)
        is_stored = result.outcome == RetrievalOutcome.STORED
        if is_stored or key not in by_key or by_key[key].outcome != RetrievalOutcome.STORED:
            by_key[key] = result
    return replace(job, retrieved=tuple(by_key.values())[-MAX_RETRIEVED:])


def next_part(job: RetrievalJob, contact: Contact, recording_sid: str) -> int:
    """Return the number of the next retrieval of a recording, which is the number of parts stored
    before.

    A retriever may have died after the announcement, before the job had the result. Then the
    contact has the recording.
    """
    stored = {
        r.recording_id
        for r in job.retrieved
        if r.recording_sid == recording_sid and r.outcome == RetrievalOutcome.STORED
    }
    announced = {
        r.recording_id
        for r in contact.recordings
        if r.stream_sid == recording_sid and r.source == RecordingSource.TWILIO_RECORDING
    }
    return len(stored | announced)


def is_wanted_again(job: RetrievalJob, source: Span, before: Iterable[Span]) -> bool:
    """Return whether a recording has wanted time that was not stored `before`. Time near its edges
    is ignored, because they are known only to a second."""
    left = difference(spans_of(job.wanted), before)
    inner = (source[0] + SLACK_MS, source[1] - SLACK_MS)
    return any(end - start >= USEFUL_MS for start, end in common(left, (inner,)))


def spans_to_keep(job: RetrievalJob, contact: Contact, stored: Iterable[Span]) -> tuple[Span, ...]:
    """Return the time that the next recording must keep. `stored`: the time of those that this
    attempt has stored.

    The first recording keeps all required time, so that it can be heard as a whole. Later ones have
    only the time that is still missing.
    """
    before = normalized([*recovered(contact), *stored])
    if not before and not any(r.outcome == RetrievalOutcome.STORED for r in job.retrieved):
        return required(contact)
    return difference(spans_of(job.wanted), before)


def parts_to_keep(
    job: RetrievalJob, contact: Contact, source: Span, stored: Sequence[Span]
) -> tuple[tuple[Span, ...], ...]:
    """Return the time of each recording to make of one that covers the time `source`.

    The first one has all required time, with silence in between. A later one never spans time that
    an earlier one has: it would seem to cover that time with silence.
    """
    spans = spans_to_keep(job, contact, stored)
    if spans == required(contact):
        return (spans,)
    around = ((source[0] - SLACK_MS, source[1] + SLACK_MS),)
    useful = tuple((span,) for span in spans if total(common((span,), around)) >= USEFUL_MS)
    return useful or (spans,)


def is_expired(job: RetrievalJob, now: int) -> bool:
    """Return whether a job that is over may be forgotten."""
    return job.state != RetrievalState.WAITING and now - job.updated_at >= KEPT_MS


def spans_of(spans: Iterable[RequiredSpan]) -> tuple[Span, ...]:
    """Return the spans as pairs, normalized."""
    return normalized((span.started_at, span.ended_at) for span in spans)


def _required_spans(spans: Iterable[Span]) -> tuple[RequiredSpan, ...]:
    return tuple(RequiredSpan(*span) for span in spans)


def _required_before(job: RetrievalJob) -> tuple[Span, ...]:
    contact: Contact = decode(job.contact)
    return required(contact)


def _begun(contact: Contact, spans: Sequence[Span], timing: Timing, now: int) -> RetrievalJob:
    return RetrievalJob(
        task_sid=contact.task_sid,
        state=RetrievalState.WAITING,
        since=now,
        due_at=timing.due_at(contact, now),
        attempts=0,
        reason="",
        revision=contact.revision,
        contact=_encoded(contact),
        wanted=_required_spans(spans),
        retrieved=(),
        updated_at=now,
    )


def _encoded(contact: Contact) -> bytes:
    """Return the contact without fields that a retrieval does not use, because the job must fit
    into a record. Keep the legs for which recordings may be looked up."""
    lean = replace(
        contact,
        sessions=(),
        decisions=(),
        connections=(),
        streams=(),
        contradictions=(),
        call_sids=own_legs(contact, contact.call_sids),
        customer_call_sids=own_legs(contact, contact.customer_call_sids),
    )
    return encode(lean)


def _waiting(job: RetrievalJob, reason: str, timing: Timing, now: int) -> RetrievalJob:
    pause = max(timing.delay_ms, MIN_PAUSE_MS) << min(job.attempts, 20)
    return replace(
        job,
        state=RetrievalState.WAITING,
        due_at=now + min(pause, MAX_PAUSE_MS),
        attempts=job.attempts + 1,
        reason=reason,
        updated_at=now,
    )


def _over(job: RetrievalJob, state: RetrievalState, reason: str, now: int) -> RetrievalJob:
    return replace(
        job,
        state=state,
        due_at=now,
        attempts=job.attempts + 1,
        reason=reason,
        contact=b"",
        updated_at=now,
    )
