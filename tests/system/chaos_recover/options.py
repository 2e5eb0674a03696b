"""What a run does: its options, from the command line or from a test."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow

ROTATION = ("retriever", "reconciler", "consolidator")


@dataclass(frozen=True, slots=True)
class Options:
    """`calls` are played, `at_once` of them at the same time; `lost` is the share of events that
    never arrive, `gone` the share of calls of which Twilio has no audio; of `kill` a role is killed
    every `every` seconds while calls are recovered (0: never); `patience`: seconds until the last
    call must be settled."""

    calls: int = 500
    at_once: int = 30
    lost: float = 0.02
    gone: float = 0.2
    kill: tuple[str, ...] = ROTATION
    every: float = 10.0
    seed: int = 0
    patience: float = 600.0
    directory: Path | None = None


def parsed(arguments: Sequence[str]) -> Options:
    """Return the options of a command line; without a seed one is drawn."""
    parser = argparse.ArgumentParser(prog="make chaos-recover ARGS=", description=__doc__)
    parser.add_argument("--calls", type=int, default=500, metavar="N")
    parser.add_argument("--at-once", type=int, default=30, metavar="N", help="calls at a time")
    parser.add_argument("--lost", type=float, default=0.02, help="share of the events")
    parser.add_argument("--gone", type=float, default=0.2, help="share of Twilio's recordings")
    parser.add_argument("--kill", type=_names, default=ROTATION, metavar="ROLE,...")
    parser.add_argument("--every", type=float, default=10.0, metavar="SECONDS", help="0: no kills")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--patience", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--directory", type=Path, default=None, help="kept; else a temporary one")
    values = vars(parser.parse_args(arguments))
    seed = values.pop("seed")
    return Options(**values, seed=randbelow(10**6) if seed is None else seed)


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))
