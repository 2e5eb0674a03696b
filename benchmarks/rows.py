"""The results of the benchmarks, and their table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import quantiles

_HEADINGS = ("what", "product", "baseline", "ratio", "goal", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. A goal of None does not apply. `most`: the upper limit for `product`;
    `least`: its lower limit; `ratio`: the lower limit for product / baseline."""

    what: str
    unit: str
    product: float
    baseline: float | None = None
    baseline_name: str = ""
    least: float | None = None
    most: float | None = None
    ratio: float | None = None

    @property
    def achieved_ratio(self) -> float | None:
        """Product divided by baseline; None without a baseline."""
        return self.product / self.baseline if self.baseline else None

    @property
    def met(self) -> bool:
        """Whether every goal of the row is met."""
        achieved = self.achieved_ratio
        return (
            (self.least is None or self.product >= self.least)
            and (self.most is None or self.product <= self.most)
            and (self.ratio is None or (achieved is not None and achieved >= self.ratio))
        )

    @property
    def goal(self) -> str:
        """The row's goals as text."""
        goals = [] if self.least is None else [f">= {self.least:,.0f}"]
        goals += [] if self.most is None else [f"<= {self.most:,.0f}"]
        goals += [] if self.ratio is None else [f"ratio >= {self.ratio:g}"]
        return ", ".join(goals) or "-"

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the row's cells."""
        achieved = self.achieved_ratio
        baseline = "-" if self.baseline is None else f"{self.baseline:,.0f} ({self.baseline_name})"
        return (
            f"{self.what}, {self.unit}",
            f"{self.product:,.0f}",
            baseline,
            "-" if achieved is None else f"{achieved:.2f}",
            self.goal,
            "-" if self.goal == "-" else "yes" if self.met else "NO",
        )


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that `percent` % of the values do not exceed. There must be at least one."""
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table with aligned columns."""
    lines = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADINGS))]
    texts = [_line(line, widths) for line in lines]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "| " + " | ".join(padded) + " |"
