"""What a chaos run does: its options, from the command line or from a test."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow
from typing import Any

BROKER_FAULTS = ("kill", "freeze", "patch", "lose-most")
ROTATION = ("bridge", "tracker", "resolver", "stream-manager", "twilio-adapter", "consolidator")


@dataclass(frozen=True, slots=True)
class Options:
    """`calls` begin within `minutes`; of `kill` a role is killed every `every` seconds (0: never),
    a half more or less; `fail` is the share of Twilio's requests that fail; the broker is stopped
    for `broker_down` seconds in the middle (0: never); `processes`: how many of a role;
    `load_balancer`: HAProxy is in front of the gateways; of the
    roles `extra` one more process joins now and then, and is killed for good; the monitored list's
    file is damaged every `list_every` seconds, and Twilio's API away for a while every `away_every`
    seconds (0: never); `refuse` is the share of calls on which Twilio refuses every start;
    the run has `brokers` of its own if there are several, and does `broker_faults` to them in turn,
    about every `broker_every` seconds;
    `patience` is how many times the stated bounds may be taken, for machines that are slow."""

    calls: int = 500
    minutes: float = 10.0
    kill: tuple[str, ...] = ROTATION
    every: float = 6.0
    fail: float = 0.2
    broker_down: float = 0.0
    brokers: int = 1
    broker_faults: tuple[str, ...] = ()
    broker_every: float = 20.0
    processes: Mapping[str, int] = field(default_factory=dict)
    load_balancer: bool = False
    extra: tuple[str, ...] = ()
    list_every: float = 0.0
    away_every: float = 0.0
    refuse: float = 0.0
    seed: int = 0
    patience: float = 1.0
    directory: Path | None = None

    @property
    def has_brokers(self) -> bool:
        """Whether the run needs brokers of its own."""
        return self.brokers > 1 or self.broker_down > 0


def parsed(arguments: Sequence[str]) -> Options:
    """The options of a command line; without a seed one is drawn."""
    parser = argparse.ArgumentParser(prog="make chaos ARGS=", description=__doc__)
    parser.add_argument("--calls", type=int, default=500, metavar="N")
    parser.add_argument("--minutes", type=float, default=10.0, help="in which the calls begin")
    parser.add_argument("--kill", type=names, default=ROTATION, metavar="ROLE,...")
    parser.add_argument("--every", type=float, default=6.0, metavar="SECONDS", help="0: no kills")
    parser.add_argument("--fail", type=float, default=0.2, help="share of Twilio's requests")
    parser.add_argument("--broker-down", type=float, default=0.0, metavar="SECONDS")
    add_brokers(parser)
    parser.add_argument("--processes", type=counts, default={}, metavar="ROLE=N,...")
    parser.add_argument("--extra", type=names, default=(), metavar="ROLE,...")
    parser.add_argument("--list-every", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--away-every", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--refuse", type=float, default=0.05, help="share of the calls")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--patience", type=float, default=1.0, help="factor on the bounds")
    parser.add_argument("--directory", type=Path, default=None, help="kept; else a temporary one")
    values = vars(parser.parse_args(arguments))
    check_brokers(parser, values)
    seed = values.pop("seed")
    return Options(**values, seed=randbelow(10**6) if seed is None else seed)


def add_brokers(parser: argparse.ArgumentParser) -> None:
    """Add the options for a cluster of several brokers."""
    parser.add_argument("--brokers", type=int, default=1, metavar="N", help="3: a cluster")
    parser.add_argument(
        *("--broker-faults",),
        type=names,
        default=None,
        metavar="FAULT,...",
        help=f"faults of a cluster, in turn (default: all), of {', '.join(BROKER_FAULTS)}",
    )
    parser.add_argument("--broker-every", type=float, default=20.0, metavar="SECONDS")


def check_brokers(parser: argparse.ArgumentParser, values: dict[str, Any]) -> None:
    """Fill in the default for the faults of brokers, and refuse invalid combinations."""
    several = values["brokers"] > 1
    if values["broker_faults"] is None:
        values["broker_faults"] = BROKER_FAULTS if several else ()
    if unknown := set(values["broker_faults"]) - set(BROKER_FAULTS):
        parser.error(f"--broker-faults: no such fault: {', '.join(sorted(unknown))}")
    if values["broker_faults"] and not several:
        parser.error("--broker-faults: need --brokers 3")


def names(text: str) -> tuple[str, ...]:
    """Of `one,another`."""
    return tuple(filter(None, text.split(",")))


def counts(text: str) -> dict[str, int]:
    """Of `role=2,...`."""
    return {role: int(count) for role, count in (one.split("=") for one in names(text))}
