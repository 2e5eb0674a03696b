"""Which role writes a record, and which event says what of a call."""

import pytest

from pipeline.runtime.settings import Role
from tools.reference.example_run import load
from tools.reference.model import all_records
from tools.reference.writers import (
    COMMANDS,
    OF_SHARED_TOPICS,
    allowed_writers,
    origins,
    writers,
)


@pytest.mark.parametrize("name", OF_SHARED_TOPICS)
def test_a_writer_may_write_to_the_topic(name: str) -> None:
    """By its permissions."""
    info = all_records()[name]
    assert set(writers(info)) <= set(allowed_writers(info))


def test_each_record_on_a_topic_has_a_writer() -> None:
    """Other records are in tables and in the recordings store."""
    assert [] == [i.name for i in all_records().values() if i.topics and not writers(i)]
    assert COMMANDS.keys() <= all_records().keys()
    assert (Role.CONSOLIDATOR,) == writers(all_records()["Contact"])


def test_origins_are_the_events_that_the_tracker_takes_them_from() -> None:
    """Each path with the types of the events; events without a call say nothing."""
    found = origins(load()["events"])
    assert "reservation.accepted" in found["reservations.milestones.accepted"]
    assert "task.created" in found["facts.queue"]
    assert "task.created" not in found["reservations.milestones.accepted"]
    assert not any("unheard" in name for names in found.values() for name in names)
    assert all("=" not in path for path in found)
