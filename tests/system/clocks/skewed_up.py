"""`flexcapture up` in which the machines of some roles have wrong clocks:
`python -m tests.system.clocks.skewed_up --state-dir DIR`, with CLOCK_SKEWS={"gateway": 600} (s).
With CLOCK_TOOL=faketime all of the process sees the wrong clock, by libfaketime."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.up import main
from pipeline.runtime.settings import Role, load

SKEWED = Path(__file__).parent / "skewed"


def role_command(role: Role, skews: Mapping[str, float]) -> Sequence[str]:
    """Return the command of a role, with the clock that it is to have."""
    command = (sys.executable, "-m", "cli.main", role.value)
    if role.value not in skews:
        return command
    if os.environ.get("CLOCK_TOOL") == "faketime":
        # libfaketime would otherwise delay waits by the monotonic clock, which no machine's
        # administrator can set.
        return ("env", "DONT_FAKE_MONOTONIC=1", "faketime", "-f", f"{skews[role]:+g}s", *command)
    return ("env", f"PYTHONPATH={SKEWED}", f"CLOCK_SKEW_S={skews[role.value]}", *command)


if __name__ == "__main__":
    known = json.loads(os.environ["CLOCK_SKEWS"])
    directory = Path(sys.argv[sys.argv.index("--state-dir") + 1])
    sys.exit(main(load(), directory, dict(os.environ), lambda role: role_command(role, known)))
