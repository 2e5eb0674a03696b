"""Plays calls through whole pipelines in each of which one role's clock is wrong, either way:
`python -m tests.system.clocks --roles gateway,tracker --seconds 600`. Prints a line for each; exit
status 1 if a call came out wrong, or the process is not named.

`--faketime`: by libfaketime, for all of the process (Debian: `faketime`), in place of Python's
`time.time` only.
"""

import argparse
import asyncio
import io
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console as Terminal

from tests.system.clocks.playing import Outcome, play
from tests.system.clocks.test_skewed import CASES, LATE_S, SKEWS


def problems(outcome: Outcome, role: str, skew: float) -> list[str]:
    """Return the differences from a run with a correct clock."""
    found = [
        f"{call['case']}: {call['differences']}" for call in outcome.calls if not call["right"]
    ]
    if len(outcome.calls) != len(CASES):
        found.append(f"{len(outcome.calls)} of {len(CASES)} calls were played")
    found += [
        f"INUM {inum} is of another time"
        for inum in outcome.inums
        if not outcome.began - LATE_S <= int(inum[:10]) <= outcome.ended
    ]
    for name, (status, text) in outcome.health.items():
        warned = f"warning: clock: the clock of the machine of {name}-0 is" in text
        if status != 200 or warned != (name == role):
            found.append(f"{name}: {status} {text!r}")
    if abs(outcome.skew_of(role) - skew) >= 1:
        found.append(f"{role} exports a skew of {outcome.skew_of(role)} s")
    return found


async def tried(role: str, skew: float) -> list[str]:
    """Play the calls with one clock wrong. Return the problems."""
    with tempfile.TemporaryDirectory(prefix="flexcapture-") as scratch:
        output = io.StringIO()
        outcome = await play(Path(scratch), CASES, {role: skew}, Terminal(file=output, width=150))
        found = problems(outcome, role, skew)
        return [*found, output.getvalue()] if found else []


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.clocks", description=__doc__)
    parser.add_argument("--roles", default=",".join(SKEWS))
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--faketime", action="store_true")
    asked = parser.parse_args()
    if asked.faketime:
        os.environ["CLOCK_TOOL"] = "faketime"
    wrong = 0
    for role in asked.roles.split(","):
        for skew in (asked.seconds, -asked.seconds):
            found = asyncio.run(tried(role, skew))
            print(
                f"{role} {skew:+g} s: {'right' if not found else 'WRONG'}",
                *found,
                sep="\n  ",
                flush=True,
            )
            wrong += bool(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
