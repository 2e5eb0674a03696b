"""What a run does: its options, from the command line or from a test."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow


@dataclass(frozen=True, slots=True)
class Options:
    """`events` numbered events go into `shards` shards, at most `rate` a second; about `processes`
    bridges run, and every `every` seconds, a half more or less, one of them is killed, frozen
    (the share `freeze`) or added; every `reshard` seconds a shard is split or two are merged;
    `rubbish` is the share of Kinesis records that cannot be read."""

    events: int = 100_000
    shards: int = 4
    rate: int = 1_000
    processes: int = 3
    every: float = 4.0
    freeze: float = 0.2
    reshard: float = 8.0
    rubbish: float = 0.01
    seed: int = 0
    directory: Path | None = None


def parsed(arguments: Sequence[str]) -> Options:
    """The options of a command line; without a seed one is drawn."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="make chaos-bridge ARGS=", description=__doc__)
    parser.add_argument("--events", type=int, default=usual.events, metavar="N")
    parser.add_argument("--shards", type=int, default=usual.shards, metavar="N", help="to begin")
    parser.add_argument("--rate", type=int, default=usual.rate, help="events a second, at most")
    parser.add_argument("--processes", type=int, default=usual.processes, metavar="N")
    parser.add_argument(
        "--every", type=float, default=usual.every, metavar="SECONDS",
        help="between two kills, freezes or additions of processes; 0: none",
    )  # fmt: skip
    parser.add_argument("--freeze", type=float, default=usual.freeze, help="share of those")
    parser.add_argument(
        "--reshard", type=float, default=usual.reshard, metavar="SECONDS",
        help="between two splits or merges; 0: none",
    )  # fmt: skip
    parser.add_argument("--rubbish", type=float, default=usual.rubbish, help="share of records")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--directory", type=Path, default=None, help="kept; else a temporary one")
    values = vars(parser.parse_args(arguments))
    seed = values.pop("seed")
    return Options(**values, seed=randbelow(10**6) if seed is None else seed)
