"""What a run does: its options, from the command line or from a test."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow


@dataclass(frozen=True, slots=True)
class Options:
    """`records` records go into the landed topics, at most `rate` a second, while `landers` landers
    run; every `every` seconds, a half more or less, one or all of them are killed and started
    again. A file is closed after `file_seconds`."""

    records: int = 2_000_000
    rate: int = 8_000
    landers: int = 2
    every: float = 4.0
    file_seconds: float = 20.0
    seed: int = 0
    directory: Path | None = None


def parsed(arguments: Sequence[str]) -> Options:
    """The options of a command line; without a seed one is drawn."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="make chaos-lander ARGS=", description=__doc__)
    parser.add_argument("--records", type=int, default=usual.records, metavar="N")
    parser.add_argument("--rate", type=int, default=usual.rate, help="records a second, at most")
    parser.add_argument("--landers", type=int, default=usual.landers, metavar="N")
    parser.add_argument(
        "--every", type=float, default=usual.every, metavar="SECONDS",
        help="between two kills, of one lander or of all; 0: none",
    )  # fmt: skip
    parser.add_argument(
        "--file-seconds", type=float, default=usual.file_seconds, metavar="SECONDS",
        help="after which a file is closed",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--directory", type=Path, default=None, help="kept; else a temporary one")
    values = vars(parser.parse_args(arguments))
    seed = values.pop("seed")
    return Options(**values, seed=randbelow(10**6) if seed is None else seed)
