"""One attempt of a job: look the call's recordings up, fetch the useful ones, announce them."""

from collections.abc import Collection
from dataclasses import dataclass

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
    next_part,
    spans_of,
    spans_to_keep,
)
from pipeline.recovery.sources import Choice, SourceRecording, choose
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
"""Refusals that concern the account or the moment. Any other below 500 concerns the recording."""
PASSING_DELETION = frozenset({408, 429})
"""Of a deletion also 401 and 403 are final: the credentials have just been good for reading, and
may not delete."""


@dataclass(frozen=True, slots=True)
class AttemptParts:
    """The surroundings of attempts. `deletes`: delete recordings at Twilio once they are stored and
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
        """Return the job after an attempt at `now` (ms, log time). Its new recordings are announced
        on `recordings` before. Raise Kafka's errors."""
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
        except Exception as error:  # of this call's data, or the disk: other calls go first
            log.exception("retrieval failed; trying again", task_sid=job.task_sid)
            return self._failed(job, repr(error), now)
        self._parts.health.good("recordings-store")
        self._parts.health.good("twilio-recordings")
        ATTEMPTS.labels(after.state).inc()
        if after.state != RetrievalState.WAITING:
            OVER.labels(after.state).inc()
            log.info("retrieval over", task_sid=job.task_sid, state=after.state, why=after.reason)
        return after

    def _failed(self, job: RetrievalJob, why: str, now: int) -> RetrievalJob:
        FAILURES.inc()
        ATTEMPTS.labels("failed").inc()
        return after_failure(job, why, self._parts.timing, now)

    async def _carried_out(self, job: RetrievalJob, now: int) -> RetrievalJob:
        contact: Contact = decode(job.contact)
        legs = contact.customer_call_sids or contact.call_sids
        sources = await self._parts.twilio.of_call(job.task_sid, legs)
        choice = choose(sources, spans_of(job.wanted), legs)
        found = _gone(choice)
        stored: list[Span] = []
        for source in choice.fetch:
            result = await self._fetched(job, contact, source, stored)
            found.append(result)
        return after_attempt(job, found, choice.not_yet, self._parts.timing, now)

    async def _fetched(
        self, job: RetrievalJob, contact: Contact, source: SourceRecording, stored: list[Span]
    ) -> RetrievedRecording:
        """Fetch one recording, and add its time to `stored`."""
        part = next_part(job, source.sid)
        spans = spans_to_keep(job, contact, stored)
        order = Order(contact, source, part, spans)
        try:
            done = await self._parts.retrieval.carry_out(order)
        except NotUsable as error:
            return self._refused(job, source, part, str(error))
        except TwilioError as error:
            if not is_final(error, PASSING_STATUSES):
                raise
            return self._refused(job, source, part, f"Twilio has no audio: {error}")
        found = done.announcement
        await self._parts.producer.send_and_wait(
            self._parts.settings.prefixed(RECORDINGS.name),
            encode(found),
            key=job.task_sid.encode(),
        )
        RETRIEVED.labels(done.confidence).inc()
        stored.append((found.started_at, found.started_at + found.duration_ms))
        is_deleted = await self._deleted(source, done)
        return RetrievedRecording(
            source.sid, part, RetrievalOutcome.STORED, "",
            found.recording_id, done.confidence, is_deleted,
        )  # fmt: skip

    def _refused(
        self, job: RetrievalJob, source: SourceRecording, part: int, why: str
    ) -> RetrievedRecording:
        REFUSED.inc()
        log.warning(
            "recording of Twilio's cannot be used",
            task_sid=job.task_sid,
            recording_sid=source.sid,
            why=why,
        )
        return RetrievedRecording(
            source.sid, part, RetrievalOutcome.REFUSED, why[:500], "", "", False
        )

    async def _deleted(self, source: SourceRecording, done: StoredAudio) -> bool:
        if not self._parts.deletes or not await self._parts.retrieval.verify(done):
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


def _gone(choice: Choice) -> list[RetrievedRecording]:
    return [
        RetrievedRecording(sid, 0, RetrievalOutcome.REFUSED, why[:500], "", "", False)
        for sid, why in sorted(choice.refused.items())
    ]
