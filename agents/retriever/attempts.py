"""One attempt of a job: look the call's recordings up, fetch the useful ones, announce them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.retriever.metrics import ATTEMPTS, DELETED, FAILURES, OVER, REFUSED, RETRIEVED
from agents.retriever.retrieval import Order, Retrieval, StoredAudio
from agents.retriever.twilio import TwilioRecordings
from pipeline.contacts.spans import Span
from pipeline.recovery.jobs import (
    Timing,
    after_attempt,
    after_failure,
    is_wanted_again,
    next_part,
    parts_to_keep,
    spans_of,
    with_results,
)
from pipeline.recovery.sources import Choice, SourceRecording, choose
from pipeline.recovery.wanted import USEFUL_MS, difference, recovered
from pipeline.recovery.wav_file import NotUsable
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from pipeline.store.audio import StoreError
from schemas.codec import decode, encode
from schemas.records import Contact, RetrievalJob, RetrievedRecording
from schemas.states import RetrievalOutcome, RetrievalState
from schemas.topics import RECORDINGS

log = structlog.get_logger(__name__)

PASSING_STATUSES = frozenset({401, 403, 408, 429})
"""HTTP statuses that concern the account, or that may pass. Any other status below 500 concerns the
recording."""
PASSING_DELETION = frozenset({408, 429})
"""The same for a deletion. There 401 and 403 are final: the credentials were just accepted for
reading, so they lack the right to delete."""


@dataclass(frozen=True, slots=True)
class AttemptParts:
    """The parts that attempts need. `deletes`: delete recordings at Twilio once they are stored and
    verified."""

    settings: Settings
    health: Health
    producer: AIOKafkaProducer
    twilio: TwilioRecordings
    retrieval: Retrieval
    timing: Timing
    deletes: bool


class Attempts:
    """Carries out attempts; several may run at once."""

    def __init__(self, parts: AttemptParts) -> None:
        self._parts = parts

    async def attempt(self, job: RetrievalJob, now: int) -> RetrievalJob:
        """Make an attempt at `now` (ms, log time), announce the new recordings on `recordings`, and
        return the changed job. Raise Kafka's errors."""
        try:
            after = await self._carried_out(job, now)
        except KafkaError:
            raise
        except (TwilioError, StoreError) as error:
            is_store = isinstance(error, StoreError)
            name = "recordings-store" if is_store else "twilio-recordings"
            self._parts.health.bad(name, str(error))
            log.warning("retrieval failed; trying again", task_sid=job.task_sid, error=str(error))
            return self._failed(job, str(error), now)
        except Exception as error:  # this call's data, or the disk: do not block others
            log.exception("retrieval failed; trying again", task_sid=job.task_sid)
            return self._failed(job, repr(error), now)
        self._parts.health.good("recordings-store")
        self._parts.health.good("twilio-recordings")
        ATTEMPTS.labels(after.state).inc()
        if after.state != RetrievalState.WAITING:
            OVER.labels(after.state).inc()
            log.info("retrieval ended", task_sid=job.task_sid, state=after.state, why=after.reason)
        return after

    def _failed(self, job: RetrievalJob, why: str, now: int) -> RetrievalJob:
        FAILURES.inc()
        ATTEMPTS.labels("failed").inc()
        return after_failure(job, why, self._parts.timing, now)

    async def _carried_out(self, job: RetrievalJob, now: int) -> RetrievalJob:
        contact: Contact = decode(job.contact)
        legs = contact.customer_call_sids or contact.call_sids
        stored = await self._stored_earlier(job, contact)
        left = difference(spans_of(job.wanted), stored)
        if stored and all(end - start < USEFUL_MS for start, end in left):
            known = [r for r in job.retrieved if r.outcome == RetrievalOutcome.STORED]
            return after_attempt(job, known, (), self._parts.timing, now)
        sources = await self._parts.twilio.of_call(job.task_sid, legs)
        choice = choose(sources, left, legs)
        found: list[RetrievedRecording] = []
        for source in choice.fetch:
            found += await self._parts_of(job, contact, source, stored)
        return after_attempt(
            job, found, choice.not_yet, self._parts.timing, now, gone=_gone(choice)
        )

    async def _stored_earlier(self, job: RetrievalJob, contact: Contact) -> list[Span]:
        """Return the time of the recordings that the job stored and the contact does not have yet:
        it may be older than they are."""
        known = {r.recording_id for r in contact.recordings}
        spans: list[Span] = []
        for result in job.retrieved:
            if result.outcome != RetrievalOutcome.STORED or result.recording_id in known:
                continue
            if (found := await self._parts.retrieval.stored_as(result.recording_id)) is not None:
                spans.append(_span(found))
        return spans

    async def _parts_of(
        self, job: RetrievalJob, contact: Contact, source: SourceRecording, stored: list[Span]
    ) -> list[RetrievedRecording]:
        """Fetch the wanted time of one recording, and add it to `stored`. A part that was stored
        earlier and is not in the job is announced again; time that it lacks is stored as another
        part."""
        found: list[RetrievedRecording] = []
        kept: list[StoredAudio] = []
        parts = parts_to_keep(job, contact, source.span, stored)
        while parts:
            part = next_part(with_results(job, found), contact, source.sid)
            order = Order(contact, source, part, parts[0])
            try:
                done = await self._parts.retrieval.carry_out(order)
            except NotUsable as error:
                return [*found, _refused(order, str(error))]
            except TwilioError as error:
                if not is_final(error, PASSING_STATUSES):
                    raise
                return [*found, _refused(order, f"Twilio has no audio: {error}")]
            await self._announce(job, done, stored)
            kept.append(done)
            found.append(_result(order, done))
            parts = parts[1:] if done.is_new else self._lacking(job, contact, source, stored)
        is_deleted = await self._deleted(source, kept)
        return [replace(result, deleted=is_deleted) for result in found]

    def _lacking(
        self, job: RetrievalJob, contact: Contact, source: SourceRecording, stored: Sequence[Span]
    ) -> tuple[tuple[Span, ...], ...]:
        """Return the parts that are still to be made of a recording."""
        if not is_wanted_again(job, source.span, (*recovered(contact), *stored)):
            return ()
        return parts_to_keep(job, contact, source.span, stored)

    async def _announce(self, job: RetrievalJob, done: StoredAudio, stored: list[Span]) -> None:
        found = done.announcement
        await self._parts.producer.send_and_wait(
            self._parts.settings.prefixed(RECORDINGS.name),
            encode(found),
            key=job.task_sid.encode(),
        )
        RETRIEVED.labels(done.confidence).inc()
        stored.append(_span(done))

    async def _deleted(self, source: SourceRecording, kept: Sequence[StoredAudio]) -> bool:
        if not self._parts.deletes:
            return False
        if not all([await self._parts.retrieval.verify(done) for done in kept]):
            return False
        try:
            await self._parts.twilio.delete(source.sid)
        except TwilioError as error:
            if not is_final(error, PASSING_DELETION):
                raise
            log.warning(
                "Twilio refuses to delete a recording; it stays there",
                recording_sid=source.sid,
                error=str(error),
            )
            return False
        DELETED.inc()
        return True


def is_final(error: TwilioError, passing: Collection[int]) -> bool:
    """Return whether Twilio refused a request for good: its status is not one of the `passing`."""
    return 300 <= error.status < 500 and error.status not in passing


def _span(done: StoredAudio) -> Span:
    found = done.announcement
    return found.started_at, found.started_at + found.duration_ms


def _result(order: Order, done: StoredAudio) -> RetrievedRecording:
    stored = done.announcement.recording_id
    return RetrievedRecording(
        order.source.sid, order.part, RetrievalOutcome.STORED, "", stored, done.confidence, False
    )


def _refused(order: Order, why: str) -> RetrievedRecording:
    REFUSED.inc()
    log.warning(
        "a recording of Twilio cannot be used",
        task_sid=order.contact.task_sid,
        recording_sid=order.source.sid,
        why=why,
    )
    return RetrievedRecording(
        order.source.sid, order.part, RetrievalOutcome.REFUSED, why[:500], "", "", False
    )


def _gone(choice: Choice) -> list[RetrievedRecording]:
    return [
        RetrievedRecording(sid, 0, RetrievalOutcome.REFUSED, why[:500], "", "", False)
        for sid, why in sorted(choice.refused.items())
    ]
