"""Run `flexcapture derive`, and print its results."""

import argparse
import asyncio
import json
import signal
import sys
import time
from dataclasses import asdict, is_dataclass
from typing import Any

from aiokafka.errors import KafkaError, ProducerFenced

from cli.derive import dropping
from cli.derive.beginning import DeriveRefused, DeriveRequest
from cli.derive.comparing import compare
from cli.derive.comparison import Comparison
from cli.derive.policy import ChangedRules
from cli.derive.roles import chosen
from cli.derive.running import Report, derive
from cli.derive.sources import NoSource
from cli.messages import FAILED, OK, print_error, print_message
from pipeline.error_text import error_text
from pipeline.policy.monitored_list import parse_list
from pipeline.runtime.log_reader import ProgressPrinter
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.times import rfc3339
from schemas.records import DerivationProgress

_SHOWN_EVERY_S = 2.0
_SHOWN_CALLS = 20
_SHOWN_FIELDS = 5


def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Run the command. Return the exit status: 0; 1 if it cannot be done, or a comparison finds
    differences. Raise `SettingsError`."""
    live = without_secrets(settings)
    target = live.model_copy(
        update={"topic_prefix": asked.to if asked.action is None else asked.prefix}
    )
    try:
        match asked.action:
            case "compare":
                return _compare(live, target, in_json=asked.json)
            case "drop":
                return _drop(target, yes=asked.yes)
            case _:
                return _derive(live, target, asked)
    except ProducerFenced:
        return print_error("another process derives or drops this prefix now; this one has ended")
    except (DeriveRefused, NoSource, KafkaError, TimeoutError, OSError) as error:
        return print_error(error_text(error))


def without_secrets(settings: Settings) -> Settings:
    """Return the settings with access to Kafka, and without access to Twilio, the database, the
    recordings and Kinesis."""
    kept = {n: v for n, v in settings if n.startswith("kafka_") or n in _KEPT}
    return Settings.model_construct(**kept)


_KEPT = frozenset({"topic_prefix", "instance", "voice_channels", "file_mode", "log_level"})


def _derive(live: Settings, target: Settings, asked: argparse.Namespace) -> int:
    wanted = DeriveRequest(
        chosen(asked.roles), asked.since, asked.until, asked.follow, changed_rules(asked)
    )
    report = asyncio.run(_until_stopped(live, target, wanted))
    progress = report.progress
    for text in report.failures:
        print_message(f"not accepted: {text}")
    print(summary(progress))
    if not progress.finished:
        print_message("stopped before its end; the same command continues it")
    return OK


async def _until_stopped(live: Settings, target: Settings, wanted: DeriveRequest) -> Report:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await derive(live, target, wanted, ProgressLine(), stop)


def changed_rules(asked: argparse.Namespace) -> ChangedRules:
    """Return the rules in the arguments. Raise `SettingsError` for a list that cannot be read."""
    entries = None
    if asked.monitored_agents is not None:
        try:
            found = parse_list(asked.monitored_agents.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--monitored-agents: {error}") from error
        if found.bad:
            raise SettingsError(f"--monitored-agents: {found.bad[0]}")
        entries = found.entries
    switches = {"true": True, "false": False, None: None}
    return ChangedRules(entries, switches[asked.record_inbound], switches[asked.record_outbound])


class ProgressLine:
    """Prints the progress to standard error, at most every 2 s."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _SHOWN_EVERY_S

    def __call__(self, progress: DerivationProgress, total: int) -> None:
        """Print the progress. See `running.Progress`."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _SHOWN_EVERY_S
            share = 100 * progress.taken // total if total else 100
            print_message(
                f"{rfc3339(progress.clock)}: {progress.taken:,} of {total:,} records read "
                f"({share} %), {progress.written:,} written"
            )


def summary(progress: DerivationProgress) -> str:
    """Return the last line of the output."""
    return (
        f"{progress.taken:,} records read, {progress.written:,} written, up to "
        f"{rfc3339(progress.clock)}; {progress.refused:,} were not accepted"
    )


def _compare(live: Settings, target: Settings, *, in_json: bool) -> int:
    progress, found = asyncio.run(compare(live, target, ProgressPrinter()))
    if in_json:
        print(json.dumps(as_json(target.topic_prefix, progress, found), ensure_ascii=False))
    else:
        print("\n".join(as_text(found)))
    if not progress.finished:
        print_message("the derivation is not finished")
    return FAILED if found.different else OK


def as_json(prefix: str, progress: DerivationProgress, found: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON values."""
    return {
        "prefix": prefix,
        "roles": list(progress.roles),
        "rules": json.loads(progress.rules or "{}"),
        "finished": progress.finished,
        "calls": {
            "equal": found.equal,
            "within_tick": found.within_tick,
            "within_lag": found.within_lag,
            "different": len(found.different),
            "began_before": found.before,
            "changed_after": found.after,
        },
        "fields": dict(found.kinds.most_common()),
        "differences": [
            {
                "task_sid": key,
                "field": d.where,
                "live": _plain(d.live),
                "derived": _plain(d.derived),
            }
            for key, each in found.different.items()
            for d in each
        ],
    }


def as_text(found: Comparison) -> list[str]:
    """Return the comparison as lines: a summary, the fields, and the first calls that differ."""
    head = (
        f"{found.same} calls are equal ({found.within_tick} but for a tick, {found.within_lag} "
        f"but for the {found.longest_lag_ms / 1000:.1f} s that the live pipeline was behind), "
        f"{len(found.different)} differ; set aside: {found.before} began before the derivation, "
        f"{found.after} changed after it"
    )
    lines = [head, *(f"{count:>8} calls: {kind}" for kind, count in found.kinds.most_common())]
    for key, each in list(found.different.items())[:_SHOWN_CALLS]:
        lines.append(key)
        lines += [
            f"  {d.where}: live {_short(d.live)}, derived {_short(d.derived)}"
            for d in each[:_SHOWN_FIELDS]
        ]
        if len(each) > _SHOWN_FIELDS:
            lines.append(f"  and {len(each) - _SHOWN_FIELDS} more fields")
    if len(found.different) > _SHOWN_CALLS:
        lines.append(f"and {len(found.different) - _SHOWN_CALLS} more calls: --json has all")
    return lines


def _drop(target: Settings, *, yes: bool) -> int:
    found = asyncio.run(dropping.find(target))
    for name in (*found.topics, *found.groups):
        print(name)
    if not yes:
        print(f"Delete these {len(found.topics)} topics and {len(found.groups)} groups? [y/N] ",
              end="", flush=True)  # fmt: skip
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return print_error("nothing was deleted")
    busy = asyncio.run(dropping.drop(target, found))
    for group in busy:
        print_message(f"group {group} has members: stop them and repeat the deletion of the group")
    print(f"deleted {len(found.topics)} topics and {len(found.groups) - len(busy)} groups")
    return OK


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _short(value: Any) -> str:
    text = json.dumps(_plain(value), ensure_ascii=False, default=str)
    return text if len(text) <= 100 else f"{text[:97]}..."
