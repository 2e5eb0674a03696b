"""The whole pipeline on this machine: simultaneous calls in real time, with Kafka, Kinesis and
Twilio's double. Every frame is searched for in the recordings. `BENCH_CALLS=N` sets the number of
calls."""

import os
import sys

import uvloop

from benchmarks.local import BenchmarkFailed, Local
from benchmarks.rows import Row
from simulator.coded.judgement import total
from simulator.pipeline_process import PipelineDied
from tests.system.chaos_audio.__main__ import Outcome
from tests.system.chaos_audio.__main__ import run as played_and_judged
from tests.system.chaos_audio.options import AudioOptions

CALLS, QUICK_CALLS = 500, 100
BEGIN_IN_A_SECOND = 20
SECONDS, QUICK_SECONDS = 75.0, 15.0
CALL_PARTS = ("gateway", "recorder")


def run(here: Local, quick: bool) -> list[Row]:
    """Measure lost frames (none is allowed) and the resources that were used."""
    calls = int(os.environ.get("BENCH_CALLS", QUICK_CALLS if quick else CALLS))
    options = AudioOptions(
        calls=calls,
        seconds=QUICK_SECONDS if quick else SECONDS,
        ramp=calls / BEGIN_IN_A_SECOND,
        kill=(),
        seed=1,
        directory=here.directory / "pipeline",
    )
    try:
        outcome = uvloop.run(played_and_judged(options, _say))
    except (PipelineDied, TimeoutError) as error:
        raise BenchmarkFailed(f"{type(error).__name__}: {error}") from error
    return _rows(outcome, calls)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr)


def _rows(outcome: Outcome, calls: int) -> list[Row]:
    played, usage = outcome.played, outcome.played.usage
    sums = total(list(outcome.assessment.judgements.values()))
    never_sent = 2 * sum(len(coded.thrown_away) for coded in played.streams)
    what = f"whole pipeline, {calls} calls at once"
    return [
        Row(f"{what}: frames lost", "frames", sums.sent - sums.recorded + never_sent, most=0),
        Row(f"{what}: wrong in any way", "findings", _findings(outcome), most=0),
        Row(f"{what}: of all cores, sender included", "%", _share(outcome)),
        *(
            Row(f"{what}: {role}, memory", "kB/call", usage.grown(role) / 1024 / calls, most=200)
            for role in CALL_PARTS
        ),
    ]


def _findings(outcome: Outcome) -> int:
    assessment = outcome.assessment
    return len(assessment.wrong) + sum(len(j.wrong) for j in assessment.judgements.values())


def _share(outcome: Outcome) -> float:
    return 100 * sum(outcome.played.usage.cores().values()) / (os.cpu_count() or 1)
