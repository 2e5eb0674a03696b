"""The index of waiting jobs gives what a look at all jobs gives."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.recovery.job_table import JobTable
from schemas.records import RetrievalJob

JOB = RetrievalJob(
    task_sid="", state="waiting", since=0, due_at=0, attempts=0, reason="", revision=0,
    contact=b"", wanted=(), retrieved=(), updated_at=0,
)  # fmt: skip
SIDS = [f"WT{number}" for number in range(6)]


def job(sid: str, due_at: int, state: str = "waiting") -> RetrievalJob:
    """Return a job."""
    return replace(JOB, task_sid=sid, due_at=due_at, state=state)


STEPS = st.lists(
    st.one_of(
        st.builds(
            job, st.sampled_from(SIDS), st.integers(0, 9), st.sampled_from(["waiting", "done"])
        ),
        st.sampled_from(SIDS),  # is forgotten
    ),
    max_size=40,
)


@given(STEPS, st.integers(0, 10), st.integers(0, 4), st.sets(st.sampled_from(SIDS)))
def test_due_jobs_are_those_of_a_look_at_all(
    steps: Sequence[RetrievalJob | str], now: int, count: int, running: set[str]
) -> None:
    """However jobs changed before. A question changes nothing."""
    table, model = JobTable(), dict[str, RetrievalJob]()
    table.load({0: {}, 1: {}})
    for step in steps:
        if isinstance(step, str):
            if model.pop(step, None) is not None:
                table.remove(step)
        else:
            model[step.task_sid] = step
            table.put(int(step.task_sid[-1]) % 2, step)
        assert len(model) == len(list(table))
    waiting = sorted((j.due_at, j.task_sid) for j in model.values() if j.state == "waiting")
    due = [sid for at, sid in waiting if at <= now and sid not in running][:count]
    for _ in range(2):
        assert due == [each.task_sid for each in table.due(now, count, running)]
        assert len(waiting) == table.waiting
        assert (waiting[0][0] if waiting else None) == table.oldest_due()
    for sid in SIDS:
        assert model.get(sid) == table.find(sid)


def test_partitions_are_known_once_they_are_loaded() -> None:
    """And no more after all were released."""
    table = JobTable()
    assert 3 not in table
    table.load({3: {"WT1": job("WT1", 5)}})
    assert 3 in table
    assert 3 == table.partition_of("WT1")
    table.clear()
    assert 3 not in table
    assert table.find("WT1") is None
    assert (0, None, []) == (table.waiting, table.oldest_due(), table.due(9, 9, ()))


def test_a_job_is_in_one_partition_only() -> None:
    """A version in another partition replaces it."""
    table = JobTable()
    table.load({3: {"WT1": job("WT1", 5)}, 4: {}})
    table.put(4, job("WT1", 6))
    assert [job("WT1", 6)] == list(table)
    assert (4, 6, 1) == (table.partition_of("WT1"), table.oldest_due(), table.waiting)
