"""An attempt looks a call's recordings up, fetches the useful ones, announces them, and returns
the results."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from cryptography.hazmat.primitives.asymmetric import rsa

from agents.retriever.attempts import AttemptParts, Attempts
from pipeline.recovery.jobs import Timing, after_contact
from pipeline.recovery.wanted import Recovery
from pipeline.runtime.settings import Settings
from pipeline.runtime.twilio_http import TwilioError
from pipeline.store.audio import StoreError
from schemas.codec import decode
from schemas.records import Contact, RecordingCompleted, RetrievalJob
from simulator.recorded import RecordingQuirk, RecordingStatus
from tests.agents.retriever.scene import Scene, missed, scene
from tests.pipeline.recovery.contacts_made import AT, TASK, contact_with, recording_at

TIMING = Timing(delay_ms=1_000, give_up_ms=60_000)
NOW = AT + 70_000


class Producer:
    """Keeps the records that are sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, RecordingCompleted, bytes]] = []

    async def send_and_wait(self, topic: str, value: bytes, key: bytes) -> None:
        """Keep a record."""
        self.sent.append((topic, decode(value), key))


def begun() -> RetrievalJob:
    """Return the job of a call that was missed."""
    job = after_contact(None, missed(), Recovery.MISSING, TIMING, NOW)
    assert job is not None
    return job


def job_of(contact: Contact) -> RetrievalJob:
    """Return the job of a contact."""
    job = after_contact(None, contact, Recovery.PARTIAL, TIMING, NOW)
    assert job is not None
    return job


def attempts_of(at: Scene, producer: Producer, *, deletes: bool = False) -> Attempts:
    """Return attempts with these parts."""
    parts: Any = (Settings(topic_prefix="p."), at.health, producer, at.twilio, at.retrieval)
    return Attempts(AttemptParts(*parts, TIMING, deletes))


async def test_a_missed_call_is_announced_and_its_job_is_done(tmp_path: Path) -> None:
    """The announcement is on `recordings`, under the task."""
    async with scene(tmp_path) as at:
        producer = Producer()
        job = await attempts_of(at, producer).attempt(begun(), NOW)
        assert ("done", "stored", b"") == (job.state, job.reason, job.contact)
        [(topic, announced, key)] = producer.sent
        assert ("p.recordings", TASK.encode()) == (topic, key)
        assert "twilio-recording" == announced.source
        [result] = job.retrieved
        assert (announced.recording_id, "low", False) == (
            result.recording_id, result.confidence, result.deleted,
        )  # fmt: skip
        assert RecordingStatus.COMPLETED == at.recorded.all(NOW)[0].status


async def test_a_verified_recording_may_be_deleted_at_twilio(tmp_path: Path) -> None:
    """Only if the setting says so, and only after the store's copy was read back."""
    async with scene(tmp_path) as at:
        job = await attempts_of(at, Producer(), deletes=True).attempt(begun(), NOW)
        assert job.retrieved[0].deleted
        assert RecordingStatus.DELETED == at.recorded.all(NOW)[0].status
    async with scene(tmp_path / "damaged") as at:

        async def is_damaged(_: object) -> bool:
            return False

        at.retrieval.verify = is_damaged  # type: ignore[method-assign, assignment]
        job = await attempts_of(at, Producer(), deletes=True).attempt(begun(), NOW)
        assert not job.retrieved[0].deleted
        assert RecordingStatus.COMPLETED == at.recorded.all(NOW)[0].status


@pytest.mark.parametrize(
    ("status", "state"), [(401, "done"), (403, "done"), (429, "waiting"), (503, "waiting")]
)
async def test_a_deletion_that_is_refused_ends_no_job(
    tmp_path: Path, status: int, state: str
) -> None:
    """The credentials may not be good for it. The recording was stored, and stays at Twilio. A
    failure that passes is tried again."""
    async with scene(tmp_path) as at:

        async def refused(_: str) -> None:
            raise TwilioError(status, None, "no")

        at.twilio.delete = refused  # type: ignore[method-assign]
        job = await attempts_of(at, Producer(), deletes=True).attempt(begun(), NOW)
        assert state == job.state
        assert not any(result.deleted for result in job.retrieved)


@pytest.mark.parametrize(
    ("quirk", "state", "reason"),
    [
        (RecordingQuirk.NONE, "waiting", "no-recording"),
        (RecordingQuirk.DELETED, "waiting", "status-deleted"),
        (RecordingQuirk.ABSENT, "waiting", "status-absent"),
        (RecordingQuirk.ENCRYPTED, "failed", "encrypted (public key CR"),
    ],
)
async def test_a_call_without_usable_audio_has_its_reason(
    tmp_path: Path, quirk: RecordingQuirk, state: str, reason: str
) -> None:
    """Nothing is announced."""
    async with scene(tmp_path) as at:
        at.rest.recordings.public_key = rsa.generate_private_key(65537, 2048).public_key()
        at.recorded.quirks[TASK] = quirk
        producer = Producer()
        job = await attempts_of(at, producer).attempt(begun(), NOW)
        assert state == job.state
        assert job.reason.startswith(reason)
        late = await attempts_of(at, producer).attempt(begun(), NOW + TIMING.give_up_ms)
        assert "failed" == late.state
        assert late.reason.startswith(reason)
        assert [] == producer.sent


async def test_a_result_that_was_lost_is_announced_again_and_nothing_else_is(
    tmp_path: Path,
) -> None:
    """A retriever that died after the announcement: the same part, once, and the job is done."""
    async with scene(tmp_path) as at:
        producer = Producer()
        for _ in range(2):
            job = await attempts_of(at, producer).attempt(begun(), NOW)
            assert ("done", [0]) == (job.state, [r.part for r in job.retrieved])
        first, again = producer.sent
        assert first == again
        assert 1 == len(list((tmp_path / "recordings").rglob("*.wav")))


async def test_time_that_is_wanted_since_a_lost_result_is_another_part(tmp_path: Path) -> None:
    """It was not known when part 0 was stored. Whether the contact has part 0 already or not: the
    new time is stored, as part 1, and no time twice."""
    short = contact_with(((5_000, 15_000),), gaps=((5_000, 15_000),))
    spans = ((5_000, 15_000), (20_000, 30_000))
    async with scene(tmp_path) as at:
        producer = Producer()
        await attempts_of(at, producer).attempt(job_of(short), NOW)
        [(_, part, _)] = producer.sent
        known = replace(
            recording_at(0, part.duration_ms, "twilio-recording"), started_at=part.started_at,
            stream_sid=part.stream_sid, recording_id=part.recording_id,
        )  # fmt: skip
        contacts = (
            contact_with(spans, gaps=spans, revision=2),
            contact_with(spans, gaps=spans[1:], recordings=(known,), capture="partial", revision=2),
        )
        for contact, parts in zip(contacts, ([0, 1], [1]), strict=True):
            producer.sent.clear()
            job = await attempts_of(at, producer).attempt(job_of(contact), NOW)
            assert ("done", parts) == (job.state, [r.part for r in job.retrieved])
            last = producer.sent[-1][1]
            assert part.recording_id != last.recording_id
            assert abs(last.started_at - (AT + 20_000)) <= 1_000
            assert last.duration_ms <= 10_000


async def test_time_is_stored_once_though_the_contact_is_older_than_the_recording(
    tmp_path: Path,
) -> None:
    """Late events show more required time before the contact has part 0. Its time is known from the
    store. Each piece of the new time is a part of its own, without silence in place of part 0."""
    first = contact_with(((10_000, 20_000),), gaps=((10_000, 20_000),))
    more = contact_with(((2_000, 32_000),), gaps=((2_000, 32_000),), revision=2)
    async with scene(tmp_path) as at:
        producer = Producer()
        attempts = attempts_of(at, producer)
        done = await attempts.attempt(job_of(first), NOW)
        assert "done" == done.state
        again = after_contact(done, more, Recovery.PARTIAL, TIMING, NOW)
        assert again is not None
        done = await attempts.attempt(again, NOW)
        assert ("done", [0, 1, 2]) == (done.state, [r.part for r in done.retrieved])
        spans = sorted((r.started_at, r.started_at + r.duration_ms) for _, r, _ in producer.sent)
        assert all(end <= after for (_, end), (after, _) in pairwise(spans))
        assert [0, 0, 0] == [r.withheld_ms for _, r, _ in producer.sent]
        assert sum(end - start for start, end in spans) >= 30_000 - 6 * 500
        repeated = await attempts.attempt(replace(again, retrieved=done.retrieved), NOW)
        assert ("done", "stored") == (repeated.state, repeated.reason)
        assert 3 == len(producer.sent)


async def test_a_recording_that_is_processed_is_awaited(tmp_path: Path) -> None:
    """The job waits, and is done once Twilio has processed it."""
    async with scene(tmp_path) as at:
        at.recorded.processing_ms = 10**12
        attempts = attempts_of(at, Producer())
        waiting = await attempts.attempt(begun(), NOW)
        assert "waiting" == waiting.state
        assert waiting.reason.startswith("not-ready: RE")
        at.recorded.processing_ms = 0
        assert "done" == (await attempts.attempt(waiting, NOW)).state


async def test_audio_that_was_deleted_meanwhile_is_refused(tmp_path: Path) -> None:
    """It was listed, and is gone when it is fetched."""
    async with scene(tmp_path) as at:
        source = await at.source()
        await at.twilio.delete(source.sid)

        async def listed(*_: object) -> list[object]:
            return [source]

        at.twilio.of_call = listed  # type: ignore[method-assign, assignment]
        job = await attempts_of(at, Producer()).attempt(begun(), NOW)
        assert "failed" == job.state
        assert job.reason.startswith("Twilio has no audio: 404")


async def test_failures_that_pass_are_shown_and_tried_again(tmp_path: Path) -> None:
    """A store or a Twilio that fails turns the health bad; the next success turns it good."""
    async with scene(tmp_path) as at:
        attempts = attempts_of(at, Producer())
        carry_out = at.retrieval.carry_out

        async def full(_: object) -> Any:
            raise StoreError("no space left")

        at.retrieval.carry_out = full  # type: ignore[method-assign, assignment]
        job = await attempts.attempt(begun(), NOW)
        assert ("waiting", "no space left", 1) == (job.state, job.reason, job.attempts)
        assert {"recordings-store": "no space left"} == at.health.reasons
        at.retrieval.carry_out = carry_out  # type: ignore[method-assign]
        assert "done" == (await attempts.attempt(replace(job, due_at=NOW), NOW)).state
        assert {} == at.health.reasons


@pytest.mark.parametrize(
    ("status", "state"),
    [(302, "failed"), (400, "failed"), (401, "waiting"), (429, "waiting"), (503, "waiting")],
)
async def test_a_refusal_of_one_recording_is_final_and_others_are_not(
    tmp_path: Path, status: int, state: str
) -> None:
    """Redirections lead to foreign storage, which must not get the credentials."""
    async with scene(tmp_path) as at:

        async def refused(_: object) -> Any:
            raise TwilioError(status, None, "no")

        at.retrieval.carry_out = refused  # type: ignore[method-assign, assignment]
        job = await attempts_of(at, Producer()).attempt(begun(), NOW)
        assert state == job.state
        assert str(status) in job.reason


async def test_a_defect_in_one_calls_data_stops_no_other(tmp_path: Path) -> None:
    """A manifest that is damaged in the store: the job waits with the reason. An error of Kafka
    ends the process."""
    async with scene(tmp_path) as at:
        attempts = attempts_of(at, Producer())
        await attempts.attempt(begun(), NOW)
        [manifest] = (tmp_path / "recordings").rglob("*.json")
        manifest.write_bytes(b"{")
        job = await attempts.attempt(begun(), NOW)
        assert "waiting" == job.state
        assert "JSONDecodeError" in job.reason

        async def away(_: object) -> Any:
            raise KafkaConnectionError

        at.retrieval.carry_out = away  # type: ignore[method-assign, assignment]
        with pytest.raises(KafkaConnectionError):
            await attempts.attempt(begun(), NOW)
