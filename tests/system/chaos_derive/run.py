"""A run: live roles handle calls; these are derived as they were, by a process that is killed, and
with one changed rule. Then all are compared."""

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from pipeline.runtime.settings import Settings
from tests.system.chaos_derive.deriving import Command, compared, digests, killed, outbound_calls
from tests.system.chaos_derive.judging import Difference, rule_effects, shortened, unlike
from tests.system.chaos_derive.living import live
from tests.system.chaos_derive.options import Options

DERIVED = ("calls", "stream.events", "contacts", "cti.resolved")
COMPARED_AT_MOST = 3

Say = Callable[[str], None]


async def play(options: Options, settings: Settings, directory: Path, say: Say) -> list[str]:
    """Play the run on the broker of `settings`, with empty topics. Return the mistakes."""
    played = await live(options, settings, directory)
    say(
        f"live: {played.calls:,} of {options.calls:,} calls ended, {played.events:,} events, the "
        f"last {played.late_s:.1f} s late"
    )
    command = Command(settings)
    names = [f"{settings.topic_prefix}{name}." for name in ("whole", "killed", "changed")]
    went_wrong = []
    status, printed, seconds = await command.run("--to", names[0])
    say(f"derived in {seconds:.0f} s: {printed.strip()}")
    went_wrong += [f"derive ended with status {status}"] if status else []
    found = await _compare(command, names[0], say)
    went_wrong += [f"as live: {line}" for line in _texts(found)]

    kills = await killed(command, names[1], options.kills, seconds, Random(options.seed))
    status, _, rest = await command.run("--to", names[1])
    say(f"killed {kills} times before its end, then derived the rest in {rest:.0f} s")
    went_wrong += [f"derive, after kills, ended with status {status}"] if status else []
    whole, after_kills = [await digests(_under(settings, name)) for name in names[:2]]
    went_wrong += unlike(whole, after_kills, DERIVED)
    found = await _compare(command, names[1], say)
    went_wrong += [f"killed: {line}" for line in _texts(found)]
    return went_wrong + await _changed(command, settings, names[2], say)


async def _changed(command: Command, settings: Settings, name: str, say: Say) -> list[str]:
    status, _, _ = await command.run("--to", name, "--record-outbound", "false")
    found = await _compare(command, name, say)
    concerned = await outbound_calls(settings)
    say(f"outbound: {len(concerned):,} calls, {sum(concerned.values()):,} of them recorded live")
    differences = [Difference(each["task_sid"], each["field"]) for each in found["differences"]]
    wrong = [f"derive, with a changed rule, ended with status {status}"] if status else []
    return wrong + shortened(rule_effects(differences, concerned))


async def _compare(command: Command, name: str, say: Say) -> Mapping[str, Any]:
    printed = ""
    for _ in range(COMPARED_AT_MOST):  # on a machine that is too busy Kafka may not answer in time
        _, printed, seconds = await command.run("compare", name, "--json")
        if printed:
            break
    found = compared(printed)
    say(f"compared {name} with live in {seconds:.0f} s: {found['calls']}")
    return found


def _texts(found: Mapping[str, Any]) -> list[str]:
    lines = [f"{d['task_sid']}: {d['field']} {d['live']} {d['derived']}" for d in
             found["differences"]]  # fmt: skip
    return shortened(lines) + ([] if found["finished"] else ["the derivation is not finished"])


def _under(settings: Settings, prefix: str) -> Settings:
    return settings.model_copy(update={"topic_prefix": prefix})
