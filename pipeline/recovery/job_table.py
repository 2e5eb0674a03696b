"""The jobs of a retriever's partitions, with an index of the waiting ones. No I/O. An installation
may have hundreds of thousands of jobs, few of them due."""

import heapq
from collections.abc import Collection, Iterator, Mapping

from schemas.records import RetrievalJob
from schemas.states import RetrievalState

Jobs = dict[str, RetrievalJob]
"""The jobs of a partition, by task SID."""


class JobTable:
    """The jobs by partition. A task is in one partition only."""

    def __init__(self) -> None:
        self._partitions: dict[int, Jobs] = {}
        self._partition_of: dict[str, int] = {}
        self._waiting: dict[str, int] = {}  # when each is due
        self._heap: list[tuple[int, str]] = []  # all waiting jobs, and outdated entries

    def __contains__(self, partition: int) -> bool:
        """Return whether the partition's jobs are known."""
        return partition in self._partitions

    def __iter__(self) -> Iterator[RetrievalJob]:
        for jobs in self._partitions.values():
            yield from jobs.values()

    def load(self, found: Mapping[int, Jobs]) -> None:
        """Add the jobs of partitions that were not known."""
        for partition, jobs in found.items():
            self._partitions[partition] = {}
            for job in jobs.values():
                self.put(partition, job)

    def clear(self) -> None:
        """Remove all partitions."""
        self._partitions.clear()
        self._partition_of.clear()
        self._waiting.clear()
        self._heap.clear()

    def find(self, task_sid: str) -> RetrievalJob | None:
        """Return the job of a task."""
        partition = self._partition_of.get(task_sid)
        return None if partition is None else self._partitions[partition].get(task_sid)

    def partition_of(self, task_sid: str) -> int:
        """Return the partition of a task that has a job."""
        return self._partition_of[task_sid]

    def put(self, partition: int, job: RetrievalJob) -> None:
        """Replace a job by a later version, or add it."""
        if self._partition_of.get(job.task_sid, partition) != partition:
            self.remove(job.task_sid)
        self._partitions[partition][job.task_sid] = job
        self._partition_of[job.task_sid] = partition
        if job.state != RetrievalState.WAITING:
            self._waiting.pop(job.task_sid, None)
        elif self._waiting.get(job.task_sid) != job.due_at:
            self._waiting[job.task_sid] = job.due_at
            heapq.heappush(self._heap, (job.due_at, job.task_sid))

    def remove(self, task_sid: str) -> None:
        """Forget a job."""
        del self._partitions[self._partition_of.pop(task_sid)][task_sid]
        self._waiting.pop(task_sid, None)

    @property
    def waiting(self) -> int:
        """The number of waiting jobs."""
        return len(self._waiting)

    def oldest_due(self) -> int | None:
        """Return when the waiting job that is due first is due (ms); None if no job waits."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def due(self, now: int, count: int, running: Collection[str]) -> list[RetrievalJob]:
        """Return at most `count` jobs that are due at `now` (ms), the oldest first, without those
        that are `running`."""
        kept: list[tuple[int, str]] = []
        found: dict[str, RetrievalJob] = {}
        while len(found) < count and (at := self.oldest_due()) is not None and at <= now:
            entry = heapq.heappop(self._heap)
            kept.append(entry)
            job = self.find(entry[1])
            if job is not None and job.task_sid not in running:
                found[job.task_sid] = job
        for entry in dict.fromkeys(kept):
            heapq.heappush(self._heap, entry)
        return list(found.values())

    def _drop_stale(self) -> None:
        while self._heap and self._waiting.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
