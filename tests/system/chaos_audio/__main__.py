"""`make chaos-audio ARGS="..."`: exit status 0 only if every frame is accounted for."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop

from simulator.coded.pacing import Pacer
from simulator.coded.sending import CodedMedia
from simulator.media import clock
from tests.system.chaos.run import directory_of
from tests.system.chaos.stage import Say, staged
from tests.system.chaos_audio.judging import Assessment, assess
from tests.system.chaos_audio.options import AudioOptions, parsed
from tests.system.chaos_audio.report import report
from tests.system.chaos_audio.run import Played, play


@dataclass(frozen=True, slots=True)
class Outcome:
    """The played calls, and their results."""

    played: Played
    assessment: Assessment

    @property
    def holds(self) -> bool:
        """Whether everything does."""
        return self.assessment.holds


async def run(options: AudioOptions, say: Say) -> Outcome:
    """Play the calls, compare the results with the sent audio, and print the report."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker may be stopped
    pacer = Pacer()
    media = CodedMedia(pacer)
    async with directory_of(options.of_stage()) as (directory, went_well):
        say(f"seed {options.seed}; everything is under {directory}")
        async with staged(options.of_stage(), directory, say, media.send) as stage:
            played = await play(options, stage, media, pacer, say)
            result = await assess(options, played, stage.endpoints)
        report(options, played, result, say)
        if result.holds:
            went_well()
        else:
            say(f"logs and state are kept under {directory}")
    return Outcome(played, result)


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    began = clock()

    def say(text: str) -> None:
        print(f"{(clock() - began) / 1000:7.1f}  {text}", flush=True)

    return 0 if uvloop.run(run(parsed(arguments), say)).holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
