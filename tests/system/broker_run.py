"""A chaos run on a Kafka of its own, as a command: its directory, its broker, and its report."""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from infra.local.kafka import LocalKafka, running
from infra.ports import chosen
from pipeline.runtime.kafka import wait_for_kafka
from pipeline.runtime.settings import Settings

Say = Callable[[str], None]
Play = Callable[[Any, Settings, Path, Say], Awaitable[list[str]]]

_SHOWN = 40


def on_a_broker(name: str, options: Any, play: Play, *, right: str, kafka_s: float) -> int:
    """Play a run, and report its mistakes. Return the exit status: 0 if there are none.

    `options`: with `seed` and `directory`. Without a directory, a temporary one is made, which a
    right run deletes. `play` returns the mistakes. `right`: the last line if there are none.
    `kafka_s`: how long the broker may take to start (s).
    """
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f}  {text}", flush=True)

    directory = options.directory or Path(tempfile.mkdtemp(prefix=f"flexcapture-{name}-"))
    directory.mkdir(parents=True, exist_ok=True)
    say(f"seed {options.seed}; everything is under {directory}")
    found = _played(options, play, directory, say, kafka_s)
    for each in found[:_SHOWN]:
        say(f"WRONG: {each}")
    if len(found) > _SHOWN:
        say(f"WRONG: and {len(found) - _SHOWN} more")
    if not found:
        say(right)
        if options.directory is None:
            shutil.rmtree(directory)
    return 1 if found else 0


def _played(options: Any, play: Play, directory: Path, say: Say, kafka_s: float) -> list[str]:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # asked before it can answer
    ports = chosen(["kafka", "controller"], {}, [])
    kafka = LocalKafka(directory / "kafka", ports["kafka"], ports["controller"])
    kafka.directory.mkdir(exist_ok=True)

    async def run(settings: Settings) -> list[str]:
        await wait_for_kafka(settings, kafka_s)
        return await play(options, settings, directory, say)

    with running(kafka, directory / "kafka.log"):
        return asyncio.run(run(Settings(kafka_bootstrap_servers=kafka.bootstrap_servers)))
