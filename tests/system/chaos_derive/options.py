"""What a run does: its options, from the command line or from a test."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow


@dataclass(frozen=True, slots=True)
class Options:
    """`calls` of the simulator's cases begin, `rate` of them a second; then they are derived, and
    once more by a process that is killed `kills` times."""

    calls: int = 10_000
    rate: float = 6.0
    kills: int = 5
    seed: int = 0
    directory: Path | None = None


def parsed(arguments: Sequence[str]) -> Options:
    """The options of a command line; without a seed one is drawn."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="make chaos-derive ARGS=", description=__doc__)
    parser.add_argument("--calls", type=int, default=usual.calls, metavar="N")
    parser.add_argument("--rate", type=float, default=usual.rate, help="calls a second")
    parser.add_argument("--kills", type=int, default=usual.kills, metavar="N")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--directory", type=Path, default=None, help="kept; else a temporary one")
    values = vars(parser.parse_args(arguments))
    seed = values.pop("seed")
    return Options(**values, seed=randbelow(10**6) if seed is None else seed)
