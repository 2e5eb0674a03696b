"""`python -m tools.metrics_doc`: write docs/metrics.md from the declared metrics.

A package declares its metrics in its module `metrics.py`. A test fails if the page is stale.
"""

import importlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Counter, Enum, Gauge, Histogram

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "metrics.md"

KINDS = (Counter, Gauge, Histogram, Enum)

_HEAD = """\
# Metrics

Written by `python -m tools.metrics_doc` from the modules `metrics.py`; do not edit this page.

Each process serves its metrics on `/metrics` for Prometheus; docs/operations.md says at which
address. The alarms in `infra/deploy/prometheus/alarms.yml` use them. A counter with labels appears
with its first count. An enum has a series for each state, of value 1 for the present one; the label
with the states has the metric's name.
"""

_TABLE_HEAD = "| metric | type | labels | description |\n|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """A row of the page. `name`: as Prometheus shows it; `kind`: `counter`, `gauge`, `histogram`
    or `enum`."""

    name: str
    kind: str
    labels: tuple[str, ...]
    description: str


def metric_modules() -> list[Path]:
    """Return the paths of the product's modules `metrics.py`, below `ROOT`, in order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    found = (path for name in packages for path in (ROOT / name).rglob("metrics.py"))
    return sorted(path.relative_to(ROOT) for path in found)


def metrics_of(module: Path) -> Iterator[MetricInfo]:
    """Yield the metrics that a module declares, in its order."""
    loaded = importlib.import_module(".".join(module.with_suffix("").parts))
    for value in vars(loaded).values():
        if isinstance(value, KINDS):
            yield _info(value)


def _info(metric: Counter | Gauge | Histogram | Enum) -> MetricInfo:
    [described] = metric.describe()
    kind = type(metric).__name__.lower()
    name = f"{described.name}_total" if kind == "counter" else described.name
    labels = metric._labelnames  # noqa: SLF001 - the client has no public access to them
    return MetricInfo(name, kind, tuple(labels), described.documentation)


def page() -> str:
    """Return the text of the page."""
    parts = [_HEAD]
    for module in metric_modules():
        rows = "".join(_row(metric) for metric in metrics_of(module))
        parts.append(f"## {module.parent}\n\n{_TABLE_HEAD}{rows}")
    return "\n".join(parts)


def _row(metric: MetricInfo) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.description} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
