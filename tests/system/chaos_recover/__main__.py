"""`make chaos-recover`: calls are played while the bridge is away for an hour of log time, the
gateways for ten minutes, and some events never arrive. Twilio has recordings of most. The exit
status is 0 only if each call that had to be recorded is captured, recovered, or lost for its true
reason, none twice, and none that was forbidden.
"""

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.system.chaos_recover.assessing import RecoverAssessment, Say, assess, report
from tests.system.chaos_recover.log_time import LogTime, environment, is_shifted
from tests.system.chaos_recover.options import Options, parsed
from tests.system.chaos_recover.run import RecoverRun
from tests.system.chaos_recover.stage import staged


async def play(options: Options, directory: Path, say: Say) -> RecoverAssessment:
    """Play the calls, judge them, and print the report."""
    log_time = LogTime(clock_file(directory))
    async with staged(options, directory, log_time, say) as stage:
        run = RecoverRun(options, stage)
        await run.play()
        found = await assess(run)
    report(found, say)
    return found


def clock_file(directory: Path) -> Path:
    """Return the file with the run's time."""
    return directory / "clock"


def in_log_time(arguments: Sequence[str], directory: Path) -> int:
    """Run again in a process with the run's time, and return its exit status."""
    directory.mkdir(parents=True, exist_ok=True)
    own = environment(clock_file(directory))
    command = [sys.executable, "-m", __package__ or "", *arguments, "--directory", str(directory)]
    return subprocess.run(command, env={**os.environ, **own}, check=False).returncode


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    options = parsed(arguments)
    if not is_shifted():
        made = options.directory is None
        directory = options.directory or Path(tempfile.mkdtemp(prefix="flexcapture-recover-"))
        status = in_log_time(arguments, directory.absolute())
        if made and status == 0:
            shutil.rmtree(directory, ignore_errors=True)
        return status
    assert options.directory is not None
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f}  {text}", flush=True)

    say(f"seed {options.seed}; everything is under {options.directory}")
    return 0 if asyncio.run(play(options, options.directory, say)).holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
