"""`python -m benchmarks [--quick] [NAME...]`: run the benchmarks and print their table."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from benchmarks.local import BenchmarkFailed, Local, directory, local
from benchmarks.rows import Row, table

ON_A_BROKER = ("gateway", "steady", "recorder", "tracker", "bridge", "hop", "lander", "lag")
ON_THEIR_OWN = ("latency", "pipeline")
IF_NAMED = ("scaling", "rebalance")
"""They take long, and need the machine to themselves."""
BY_DEFAULT = (*ON_A_BROKER, *ON_THEIR_OWN)
NAMES = (*BY_DEFAULT, *IF_NAMED)

Benchmark = Callable[[Local, bool], list[Row]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks. Return 0 if all of them could run, whether they meet their goals or
    not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    listed = f"{', '.join(NAMES)}; default all but {' and '.join(IF_NAMED)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=listed)
    parser.add_argument("--quick", action="store_true", help="shorter runs, less precise")
    asked = parser.parse_args(arguments)
    names = asked.names or BY_DEFAULT
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    _forget_settings()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    began = time.monotonic()
    rows, failures = _measure({name: _benchmark(name) for name in names}, asked.quick)
    print(f"\n{table(rows)}\n\n{os.cpu_count()} cores for all, {time.monotonic() - began:.0f} s.")
    for failure in failures:
        print(f"\nFailed to run: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _benchmark(name: str) -> Benchmark:
    found: Benchmark = import_module(f"benchmarks.{name}").run
    return found


def _measure(benchmarks: Mapping[str, Benchmark], quick: bool) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    failures: list[str] = []
    for place, names in ((local, (*ON_A_BROKER, *IF_NAMED)), (directory, ON_THEIR_OWN)):
        chosen = [name for name in names if name in benchmarks]
        if not chosen:
            continue
        with place() as here:
            for name in chosen:
                print(f"{name} ...", file=sys.stderr, flush=True)
                try:
                    rows += benchmarks[name](here, quick)
                except BenchmarkFailed as error:
                    failures.append(f"{name}: {error}")
    return rows, failures


def _forget_settings() -> None:
    """Remove the settings of a real pipeline from the environment: no benchmark may use them."""
    for name in [n for n in os.environ if n.startswith(("FLEXCAPTURE_", "AWS_"))]:
        del os.environ[name]


if __name__ == "__main__":
    sys.exit(main())
