"""Recordings in the database: complete ones never change, unmatched ones are found."""

from dataclasses import replace
from hashlib import sha256
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store.repository import Repository
from pipeline.store.search import StoredRecording
from schemas.records import Contact, ContactRecording
from tests.examples import examples
from tests.pipeline.store.contacts import CONTACT, NOON, RECORDING, numbered

TASK = CONTACT.task_sid
OPEN = replace(
    RECORDING, state="recording", duration_ms=None, audio=None, manifest=None, received=7, lost=0,
    lost_for={},
)  # fmt: skip


def later(contact: Contact, *recordings: ContactRecording) -> Contact:
    return replace(contact, recordings=recordings, revision=contact.revision + 1)


def stored(repository: Repository, name: str) -> list[ContactRecording]:
    return [found.recording for found in repository.recordings_of_inum(name)]


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "recording", "audio": None, "duration_ms": None},
        {"received": 25, "lost": 0, "duration_ms": 500, "audio": "other.wav"},
        {"inum": "178000360000000042"},
        {"supplement_of": "178000000200000000", "withheld": 50},
        {"stream_sid": "MZ" + "9" * 32, "call_sid": "CA" + "9" * 32, "started_at": NOON + 9_000},
    ],
)
def test_a_complete_recording_never_changes(
    repository: Repository, changes: dict[str, object]
) -> None:
    """Neither an open nor a complete version of it, saved later, changes anything of it."""
    repository.save(CONTACT)
    repository.save(later(CONTACT, replace(RECORDING, **changes)))  # type: ignore[arg-type]
    repository.save_unmatched(TASK, [replace(RECORDING, **changes)], b"")  # type: ignore[arg-type]
    assert [StoredRecording(RECORDING, TASK, TASK)] == repository.recordings_of_inum(
        RECORDING.recording_id
    )


def test_who_was_monitored_may_become_known_later(repository: Repository) -> None:
    """The agents on a complete recording follow from the call; its events may be late."""
    repository.save(later(CONTACT, replace(RECORDING, extension=None, extensions=())))
    repository.save(later(later(CONTACT), RECORDING))
    assert [RECORDING] == stored(repository, RECORDING.inum)


def test_an_open_recording_becomes_complete(repository: Repository) -> None:
    """As long as it is open, a later version of it replaces the earlier one."""
    repository.save(later(CONTACT, OPEN))
    assert [OPEN] == stored(repository, RECORDING.inum)
    repository.save(later(later(CONTACT), RECORDING))
    assert [RECORDING] == stored(repository, RECORDING.inum)


@pytest.mark.parametrize("first", [RECORDING, OPEN])
def test_a_recording_of_another_contact_is_not_moved(
    repository: Repository, first: ContactRecording
) -> None:
    """A contact that claims a recording of another one, by the same id, does not get it."""
    repository.save(later(CONTACT, first))
    other = numbered(5, recordings=(replace(RECORDING, received=1),))
    assert repository.save(other)
    assert [StoredRecording(first, TASK, TASK)] == repository.recordings_of_inum(RECORDING.inum)
    found = repository.contact(other.contact_id)
    assert found is not None
    assert () == found.recordings


def test_a_stream_sid_that_comes_again_is_another_recording(repository: Repository) -> None:
    """Supplements, and a stream SID used by another task, stand beside the first recording."""
    supplement = replace(
        RECORDING, inum="178000390000000099", recording_id="178000390000000099-aa",
        supplement_of=RECORDING.inum, started_at=NOON + 3_900_000,
    )  # fmt: skip
    foreign = replace(RECORDING, recording_id=f"{RECORDING.inum}-ffffffffffffffff", received=5)
    repository.save(CONTACT)
    repository.save(later(CONTACT, RECORDING, supplement))
    repository.save(numbered(5, recordings=(foreign,)))
    assert [RECORDING, foreign] == stored(repository, RECORDING.inum)
    assert [supplement] == stored(repository, supplement.inum)
    found = repository.contact(TASK)
    assert found is not None
    assert (RECORDING, supplement) == found.recordings


def test_a_recording_of_an_earlier_version_keeps_its_key(repository: Repository) -> None:
    """Records without a recording id get one of their INUM and stream SID; a recording that was
    open then is replaced by the one with a key of its own."""
    repository.save(later(CONTACT, replace(OPEN, recording_id="")))
    digest = sha256(RECORDING.stream_sid.encode()).hexdigest()
    (found,) = stored(repository, RECORDING.inum)
    assert f"{RECORDING.inum}-{digest[:16]}" == found.recording_id
    repository.save(later(later(CONTACT), RECORDING))
    assert [RECORDING] == stored(repository, RECORDING.inum)


def test_unmatched_recordings_are_listed_newest_first(repository: Repository) -> None:
    """Page by page, each once; those of a contact are not among them."""
    made = [
        replace(RECORDING, inum=f"{n:018}", recording_id=f"{n:018}-x", started_at=NOON + n // 2)
        for n in range(5)
    ]
    repository.save(CONTACT)
    for recording in made:
        repository.save_unmatched(f"WT{recording.inum}", [recording], b"state")
    found: list[StoredRecording] = []
    cursor: str | None = None
    while True:
        page = repository.unmatched(2, cursor)
        found += page.recordings
        cursor = page.next
        if cursor is None:
            break
    assert [StoredRecording(r, f"WT{r.inum}", None) for r in reversed(made)] == found
    assert 5 == repository.count_unmatched()


def test_unmatched_recordings_are_attached_to_their_contact(repository: Repository) -> None:
    """Once the task is a contact, all of its recordings belong to it, also those that this version
    of the contact does not know."""
    repository.save_unmatched(TASK, [OPEN], b"first")
    repository.save_unmatched(TASK, [RECORDING], b"second")
    repository.save_unmatched("WT-other", [replace(RECORDING, recording_id="other")], b"")
    assert b"second" == repository.state_of(TASK)
    assert repository.save(replace(CONTACT, recordings=()), b"third")
    found = repository.contact(TASK)
    assert found is not None
    assert (RECORDING,) == found.recordings
    assert ["WT-other"] == [s.task_sid for s in repository.unmatched(9).recordings]
    assert b"third" == repository.state_of(TASK)


def test_audio_of_a_known_contact_is_never_unmatched(repository: Repository) -> None:
    """A process that does not know the contact adds the recording to it, and its state stays."""
    repository.save(later(CONTACT), b"whole")
    repository.save_unmatched(TASK, [RECORDING], b"poorer")
    assert 0 == repository.count_unmatched()
    assert [StoredRecording(RECORDING, TASK, TASK)] == repository.recordings_of_inum(RECORDING.inum)
    assert b"whole" == repository.state_of(TASK)


_versions = st.builds(
    lambda key, complete, received, task: (
        task,
        replace(
            RECORDING if complete else OPEN,
            received=received,
            recording_id=key,
            inum=key[:18],
        ),
    ),
    st.sampled_from(["178000000200000042-aa", "178000000200000042-bb", "178000000300000043-aa"]),
    st.booleans(),
    st.integers(0, 9),
    st.integers(0, 1),
)


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(_versions, st.booleans()), max_size=12))
def test_recordings_follow_three_rules(
    repository: Repository, steps: list[tuple[tuple[int, ContactRecording], bool]]
) -> None:
    """For any versions saved in any order: a recording stays with the task that brought it first,
    its first complete version stays, and it has a contact once its task has one."""
    prefix = uuid4().hex  # the examples share one database
    tasks = [f"WT{prefix}{n}" for n in range(2)]
    expected: dict[str, tuple[int, ContactRecording]] = {}
    matched = set()
    for number, ((task, made), has_contact) in enumerate(steps):
        recording = replace(made, recording_id=made.recording_id + prefix)
        owner, before = expected.get(recording.recording_id, (task, recording))
        if owner == task:
            kept = before if before.state == "complete" else recording
            expected[recording.recording_id] = owner, kept
        if has_contact:
            matched.add(task)
            changes = {"contact_id": tasks[task], "task_sid": tasks[task], "revision": number}
            repository.save(replace(CONTACT, recordings=(recording,), **changes))  # type: ignore[arg-type]
        else:
            repository.save_unmatched(tasks[task], [recording], b"")
    for key, (owner, recording) in expected.items():
        contact_id = tasks[owner] if owner in matched else None
        assert [StoredRecording(recording, tasks[owner], contact_id)] == (
            repository.recordings_of_inum(key)
        )
