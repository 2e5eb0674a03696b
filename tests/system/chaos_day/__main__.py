"""`make chaos-day`: a day of log time in minutes. Gateways are cut off from Kafka for up to 130
minutes, killed with full spills, and started again; recorder and consolidator are killed. Each
frame is looked for. The exit status is 0 only if each is in one recording, or lost for its true
reason.
"""

import argparse
import asyncio
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from infra.local.kafka import LocalKafka, running
from infra.ports import chosen
from pipeline.runtime.kafka import wait_for_kafka
from pipeline.runtime.settings import Settings
from pipeline.store.database import migrate, open_database
from pipeline.store.repository import Repository
from tests.system.chaos_day import dead_letters
from tests.system.chaos_day.plan import Plan, short, whole_day
from tests.system.chaos_day.run import Day, Say
from tests.system.chaos_day.verify import Verdict, verify

_KAFKA_S = 90.0
_PATIENCE_S = 180.0
_SHOWN = 30


async def play(
    plan: Callable[[Random], Plan], directory: Path, seed: int, kill_every_s: float, say: Say
) -> Verdict:
    """Play a day on a broker of its own, and verify it."""
    ports = chosen(["kafka", "controller"], {}, [])
    local = LocalKafka(directory / "kafka", ports["kafka"], ports["controller"])
    with running(local, directory / "kafka.log"):
        settings = Settings(
            kafka_bootstrap_servers=local.bootstrap_servers,
            database_url=f"sqlite:///{directory / 'flexcapture.db'}",
            recordings_url=(directory / "recordings").as_uri(),
        )
        await wait_for_kafka(settings, _KAFKA_S)
        (directory / "flexcapture.db").touch(mode=0o600)  # roles refuse one that is open to others
        engine = open_database(str(settings.database_url))
        await asyncio.to_thread(migrate, engine)
        random = Random(seed)
        made = plan(random)
        began = time.time_ns() // 1_000_000 - round((made.minutes + 10) * 60_000)
        day = Day(made, settings, directory, say, random, kill_every_s, began)
        try:
            await day.play()
            say(f"the day is over; {day.kills} processes were killed")
            await dead_letters.retry_some(day)
            repository = Repository(engine)
            await _settled(day, repository, say)
            return await verify(settings, repository, day.calls)
        finally:
            day.end_processes()
            engine.dispose()


async def _settled(day: Day, repository: Repository, say: Say) -> None:
    """Wait until every contact is settled: nothing more changes."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        found = [repository.contact(call.task_sid) for call in day.calls]
        waiting = [each for each in found if each is None or each.capture == "pending"]
        if not waiting:
            return
        await day.nudge()
        await asyncio.sleep(1)
    say(f"{len(waiting)} contacts are not settled")


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos-day ARGS=", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="three hours instead of a day")
    parser.add_argument("--kill-every", type=float, default=6.0, metavar="SECONDS")
    asked = parser.parse_args(arguments)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f}  {text}", flush=True)

    directory = Path(tempfile.mkdtemp(prefix="flexcapture-day-"))
    plan = short if asked.short else whole_day
    verdict = asyncio.run(play(plan, directory, asked.seed, asked.kill_every, say))
    say(f"frames: {dict(verdict.fates)}; {verdict.supplements} supplements")
    for line in verdict.wrong[:_SHOWN]:
        say(f"WRONG: {line}")
    if verdict.wrong:
        say(f"{len(verdict.wrong)} findings; everything is kept under {directory}")
        return 1
    say("each frame is in one recording, or lost for its true reason")
    subprocess.run(["rm", "-rf", str(directory)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
