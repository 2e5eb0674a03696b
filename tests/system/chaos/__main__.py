"""`make chaos ARGS="..."`: exit status 0 only if everything held."""

import asyncio
import logging
import sys
from collections.abc import Sequence

from simulator.media import clock
from tests.system.chaos.assessing import Assessment, assess
from tests.system.chaos.options import Options, parsed
from tests.system.chaos.report import Say, report
from tests.system.chaos.run import directory_of, play
from tests.system.chaos.stage import staged


async def run(options: Options, say: Say) -> Assessment:
    """Play the calls, compare the results with the model, and print the report."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker may be stopped
    async with directory_of(options) as (directory, went_well):
        say(f"seed {options.seed}; everything is under {directory}")
        async with staged(options, directory, say) as stage:
            played = await play(options, stage, say)
            assessment = await assess(options, played)
        report(options, assessment, played.processes.unasked, say)
        if assessment.holds:
            went_well()
        else:
            say(f"logs and state are kept under {directory}")
    return assessment


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    began = clock()

    def say(text: str) -> None:
        print(f"{(clock() - began) / 1000:7.1f}  {text}", flush=True)

    return 0 if asyncio.run(run(parsed(arguments), say)).holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
