"""What a chaos run with coded audio does: its options, from the command line or from a test."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow

from pipeline.runtime.settings import Role
from tests.system.chaos.options import Options, add_brokers, check_brokers, counts, names

ROTATION = ("gateway", "recorder", "kafka")
KILLED = frozenset(Role) | {"kafka", "kinesis"}
BALANCED = frozenset({"load-balancer", "drain", "reload"})
"""With a load balancer: it is killed; a gateway gets SIGTERM and lets its calls end; HAProxy reads
its configuration again."""
AROUND_OUTAGE_S = 20.0
SHARES = {
    "silent": "share of calls with 6 to 20 s without frames",
    "lossy": "share of calls that lose messages on the way",
    "stubborn": "share of calls that keep sending after the stop",
}


@dataclass(frozen=True, slots=True)
class AudioOptions:
    """The options of a run.

    - `calls` begin within `ramp` seconds, and each lasts `seconds`.
    - The roles of `kill` are killed in turn, one every `every` seconds (plus or minus a fifth),
      `times` times each, and no call ends before (0: while there are calls).
    - The broker is stopped for `broker_down` seconds once all calls have begun (0: never). With
      several `brokers`, each of `broker_faults` occurs once, about `broker_every` seconds after the
      one before, and no call ends before.
    - `load_balancer`: HAProxy is in front of the gateways. Then `kill` may name `load-balancer`,
      `drain` (a gateway is stopped, and lets its calls end) and `reload` (of HAProxy).
    - `processes`: how many of a role; `patience`: seconds from the last call until all recordings
      must be complete; `most_lost`: milliseconds of audio that may be lost with a killed gateway,
      with or without a broker.
    - Shares of the calls: `silent`: with a silence of 6 to 20 s in which nothing is sent; `lossy`:
      with messages that are numbered and then lost; `stubborn`: with media streams that keep
      sending after a stop.
    """

    calls: int = 200
    seconds: float = 90.0
    ramp: float = 20.0
    kill: tuple[str, ...] = ROTATION
    every: float = 8.0
    times: int = 0
    broker_down: float = 0.0
    brokers: int = 1
    broker_faults: tuple[str, ...] = ()
    broker_every: float = 20.0
    processes: Mapping[str, int] = field(default_factory=dict)
    load_balancer: bool = False
    seed: int = 0
    patience: float = 90.0
    most_lost: int = 3_000
    silent: float = 0.25
    lossy: float = 0.25
    stubborn: float = 0.25
    directory: Path | None = None

    @property
    def loses_nothing(self) -> bool:
        """Return whether every lost frame is a mistake."""
        return not {"gateway", "load-balancer"} & set(self.kill)

    def of_stage(self) -> Options:
        """Return the options of the stage."""
        return Options(
            fail=0.0,
            broker_down=self.broker_down,
            brokers=self.brokers,
            processes=self.processes,
            load_balancer=self.load_balancer,
            seed=self.seed,
            directory=self.directory,
        )


def parsed(arguments: Sequence[str]) -> AudioOptions:
    """The options of a command line; without a seed one is drawn."""
    own = AudioOptions()
    parser = argparse.ArgumentParser(prog="make chaos-audio ARGS=", description=__doc__)
    parser.add_argument("--calls", type=int, default=own.calls, metavar="N")
    parser.add_argument("--seconds", type=float, default=own.seconds, help="of each call")
    parser.add_argument("--ramp", type=float, default=own.ramp, help="in which the calls begin")
    parser.add_argument("--kill", type=names, default=ROTATION, metavar="ROLE,...")
    parser.add_argument("--every", type=float, default=own.every, metavar="SECONDS")
    parser.add_argument("--times", type=int, default=0, help="kills of each role; 0: no end")
    parser.add_argument("--broker-down", type=float, default=0.0, metavar="SECONDS")
    add_brokers(parser)
    parser.add_argument("--processes", type=counts, default={}, metavar="ROLE=N,...")
    parser.add_argument("--load-balancer", action="store_true", help="see --kill drain,reload")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--patience", type=float, default=own.patience, metavar="SECONDS")
    parser.add_argument("--most-lost", type=int, default=own.most_lost, metavar="MS")
    for share, help_text in SHARES.items():
        default = getattr(own, share)
        parser.add_argument(f"--{share}", type=float, default=default, help=help_text)
    parser.add_argument("--directory", type=Path, default=None, help="kept; else a temporary one")
    values = vars(parser.parse_args(arguments))
    check_brokers(parser, values)
    if values["brokers"] > 1 and values["kill"] == ROTATION:
        values["kill"] = tuple(role for role in ROTATION if role != "kafka")
    seed = values.pop("seed")
    options = AudioOptions(**values, seed=randbelow(10**6) if seed is None else seed)
    if options.every <= 0:
        parser.error("--every: more than 0; --kill '' kills nothing")
    if not all(0 <= getattr(options, share) <= 1 for share in SHARES):
        parser.error("--silent, --lossy, --stubborn: from 0 to 1")
    if options.calls < 1:
        parser.error("--calls: at least 1")
    known = KILLED | BALANCED if options.load_balancer else KILLED
    if unknown := set(options.kill) - known:
        parser.error(f"--kill: no such role: {', '.join(sorted(unknown))}")
    if options.broker_down and options.seconds < options.broker_down + AROUND_OUTAGE_S:
        parser.error(f"--seconds: at least {options.broker_down + AROUND_OUTAGE_S:g}, so that the "
                     "calls are on while the broker is away, and some time after")  # fmt: skip
    return options
