"""One run of a role with some processes: its throughput, the CPU time, and the limit. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low

FULL_SHARE = 0.92
"""A core that is busy for more of the time is the limit. The benchmark's own polls and the
scheduler take the rest."""

_HEADINGS = (
    "role", "processes", "records/s", "of 1", "records/CPU-s", "of 1", "cores: role", "broker",
    "others", "stolen", "idle", "busiest process", "partitions of each", "limit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScaledRun:
    """A measured run of `seconds`. `handled`, `cpu`: the records and the CPU seconds of each
    process of the role; `partitions`: of each process, () if none are assigned; `broker`, `busy`,
    `idle`, `stolen`: CPU seconds of the broker and of the whole machine. `is_paced`: the load came
    at a fixed rate, so that the rate shows no limit; `lost`: records of it that were lost."""

    role: str
    seconds: float
    handled: Sequence[float]
    cpu: Sequence[float]
    partitions: Sequence[int]
    broker: float
    busy: float
    idle: float
    stolen: float = 0.0
    is_paced: bool = False
    lost: int = 0

    def __str__(self) -> str:
        cores = self.cores(sum(self.cpu))
        return (
            f"{self.role}, {self.processes}: {self.rate:,.0f}/s, {self.per_cpu:,.0f}/CPU-s, "
            f"{self.seconds:.0f} s, {cores:.2f} cores, limit: {self.limit}"
        )

    @property
    def records(self) -> float:
        """The records that all processes handled."""
        return sum(self.handled)

    @property
    def processes(self) -> int:
        """The number of processes of the role."""
        return len(self.cpu)

    @property
    def rate(self) -> float:
        """Records per second of wall time, by all processes together."""
        return self.records / self.seconds

    @property
    def per_cpu(self) -> float:
        """Records per CPU second of the role's processes."""
        return self.records / max(sum(self.cpu), 0.01)

    @property
    def others(self) -> float:
        """CPU seconds of the machine that neither the role nor the broker used."""
        return max(0.0, self.busy - self.broker - sum(self.cpu))

    @property
    def busiest(self) -> float:
        """Records of the process that handled most, as a multiple of the mean."""
        return max(self.handled) * self.processes / max(self.records, 1.0)

    def cores(self, cpu: float) -> float:
        """Return CPU seconds of the run as a number of cores."""
        return cpu / self.seconds

    @property
    def limit(self) -> str:
        """The resource that ended the growth: all cores, one core, none of both, or the load."""
        available = self.busy + self.idle
        if self.busy >= FULL_SHARE * available:
            return "all cores"
        if self.cores(max(self.cpu)) >= FULL_SHARE:
            return "a process's core"
        return "the load's rate" if self.is_paced else "waiting"

    def cells(self, one: "ScaledRun") -> tuple[str, ...]:
        """Return the texts of the run's row. `one`: the run with one process."""
        apart = self.processes == 1
        spread = f"{min(self.partitions)} to {max(self.partitions)}" if self.partitions else "-"
        return (
            self.role,
            str(self.processes),
            f"{self.rate:,.0f}",
            "" if apart else f"{self.rate / one.rate:.2f}",
            f"{self.per_cpu:,.0f}",
            "" if apart else f"{self.per_cpu / one.per_cpu:.2f}",
            *(
                f"{self.cores(cpu):.2f}"
                for cpu in (sum(self.cpu), self.broker, self.others, self.stolen, self.idle)
            ),
            f"{self.busiest:.2f}",
            spread,
            self.limit,
        )


def middle(runs: Iterable[ScaledRun]) -> ScaledRun:
    """Return the run with the median rate; of an even number the lower one of both."""
    by_rate = {run.rate: run for run in runs}
    return by_rate[median_low(by_rate)]


def markdown(runs: Sequence[ScaledRun]) -> str:
    """Return the runs as a Markdown table. Each role must have a run with one process."""
    ones = {run.role: run for run in runs if run.processes == 1}
    lines = [_HEADINGS, ("---",) * len(_HEADINGS), *(run.cells(ones[run.role]) for run in runs)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
