"""`make chaos-lander ARGS="..."`: test that each record lands exactly once while landers are
killed, and that the lake and the topics give the same answers. The exit status is 0 only if both
hold."""

import asyncio
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from infra.local.kafka import LocalKafka, running
from infra.ports import chosen
from pipeline.runtime.kafka import wait_for_kafka
from pipeline.runtime.settings import Settings
from tests.system.chaos_lander.options import Options, parsed
from tests.system.chaos_lander.run import Say, play

_KAFKA_S = 300.0
_SHOWN = 40


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    options = parsed(arguments)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f}  {text}", flush=True)

    directory = options.directory or Path(tempfile.mkdtemp(prefix="flexcapture-chaos-lander-"))
    directory.mkdir(parents=True, exist_ok=True)
    say(f"seed {options.seed}; everything is under {directory}")
    found = _played(options, directory, say)
    for each in found[:_SHOWN]:
        say(f"WRONG: {each}")
    if len(found) > _SHOWN:
        say(f"WRONG: and {len(found) - _SHOWN} more")
    if not found:
        say("every record once, and the same answers")
        if options.directory is None:
            shutil.rmtree(directory)
    return 1 if found else 0


def _played(options: Options, directory: Path, say: Say) -> list[str]:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # asked before it can answer
    ports = chosen(["kafka", "controller"], {}, [])
    kafka = LocalKafka(directory / "kafka", ports["kafka"], ports["controller"])
    kafka.directory.mkdir(exist_ok=True)
    with running(kafka, directory / "kafka.log"):
        settings = Settings(kafka_bootstrap_servers=kafka.bootstrap_servers)
        asyncio.run(wait_for_kafka(settings, _KAFKA_S))
        return asyncio.run(play(options, settings, directory, say))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
