"""Change the fleet of bridges during a run."""

import asyncio
from random import Random

from tests.system.chaos_bridge.options import Options
from tests.system.fleet import Fleet

FROZEN_S = (2.0, 12.0)
GONE_S = (0.0, 3.0)


async def keep_changing(fleet: Fleet, options: Options, random: Random) -> None:
    """Kills, freezes and adds bridges, again and again. Never returns."""
    if options.every <= 0:
        await asyncio.Event().wait()
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(options.every * random.uniform(0.5, 1.5))
            awake = sorted(fleet.running.keys() - fleet.asleep)
            if len(fleet.running) <= options.processes and random.random() < 0.25:
                fleet.say(f"added {fleet.add()}")
            elif awake:
                group.create_task(_disturb(fleet, random.choice(awake), options, random))


async def _disturb(fleet: Fleet, name: str, options: Options, random: Random) -> None:
    if random.random() < options.freeze:
        seconds = random.uniform(*FROZEN_S)
        fleet.say(f"froze {name} for {seconds:.1f} s")
        fleet.freeze(name)
        await asyncio.sleep(seconds)
        fleet.wake(name)
        return
    fleet.kill(name)
    # Some come back under their name, as under a supervisor, others are replaced or gone for good.
    comes_back = random.random() < 0.5
    if comes_back or len(fleet.running) < options.processes:
        fleet.say(f"killed {name}, {'which comes back' if comes_back else 'replaced'}")
        await asyncio.sleep(random.uniform(*GONE_S))
        fleet.add(name if comes_back else None)
    else:
        fleet.say(f"killed {name} for good")
