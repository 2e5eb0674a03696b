"""The memory of a partition, built from its checkpoints."""

from dataclasses import replace

from pipeline.recordings.keys import recording_of
from pipeline.recordings.memory import Memory
from tests.pipeline.recordings.closing import closing_checkpoint, decision
from tests.pipeline.recordings.logs import T0, opened, opened_recording

DAYS = 24 * 60 * 60 * 1_000
STOP = decision(0, "stop")
OWN = decision(7, "stop", offset=2)
FIRST = replace(closing_checkpoint("MZ1"), decisions=(OWN,))


def test_only_complete_recordings_and_decisions_are_remembered() -> None:
    """An open recording is taken up elsewhere."""
    memory = Memory([STOP, FIRST, replace(closing_checkpoint("MZ2"), closed_at=None)])
    assert [FIRST] == memory.complete_of(opened("MZ1"))
    assert [] == memory.complete_of(opened("MZ2"))
    assert [STOP] == list(memory.decisions.of("WT1"))
    assert memory.decisions.first_unsaved is None


def test_a_supplement_also_knows_the_decisions_of_its_recording() -> None:
    """They are in the closing checkpoint when the memory has forgotten them."""
    memory = Memory([STOP, FIRST])
    late = replace(recording_of(FIRST), part=7)
    assert [STOP] == list(memory.decisions_on(opened_recording("MZ1")))
    assert [STOP, OWN] == list(memory.decisions_on(late))
    assert [OWN] == list(Memory([FIRST]).decisions_on(late))


def test_the_keys_of_what_is_forgotten_are_those_of_the_checkpoints() -> None:
    """Decisions after a day, recordings after four; the shell deletes both."""
    memory = Memory([STOP, FIRST])
    assert [] == memory.forget(100, T0 + DAYS)
    assert [f"decision:WT1:{T0}:stop".encode()] == memory.forget(100, T0 + 2 * DAYS)
    (key,) = memory.forget(100, T0 + 5 * DAYS)
    assert key.startswith(str(T0 // 1_000).encode())
    assert [] == memory.complete_of(opened("MZ1"))
