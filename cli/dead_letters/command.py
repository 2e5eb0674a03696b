"""`flexcapture dead-letters list | show | retry`."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from aiokafka.errors import KafkaError, ProducerFenced

from bridge.topic_limits import topic_limits
from cli.dead_letters.formatting import as_json, as_text, line
from cli.dead_letters.letter import Letter, LetterFilter
from cli.dead_letters.reader import read_letters
from cli.dead_letters.retrying import COMES_BACK, LetterRetry, StillBad, retry_of
from cli.dead_letters.writer import RetryWriter
from cli.messages import print_error, print_message
from pipeline.error_text import error_text
from pipeline.runtime.kafka import ensure_topics
from pipeline.runtime.log_clock import log_time
from pipeline.runtime.settings import Settings
from schemas.topics import CTI_EVENTS, DEAD_LETTERS, DEAD_LETTERS_RETRIED


def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Run the command in `asked` (see `arguments`). Return the exit status: 0, or 1 if Kafka cannot
    be read or written, or a requested dead letter does not exist or is still bad."""
    try:
        match asked.action:
            case "list":
                return _list(settings, asked)
            case "show":
                return _show(settings, asked)
            case _:
                return asyncio.run(_retry(settings, asked))
    except ProducerFenced:
        return print_error("another retry has started meanwhile; this one wrote nothing more")
    except (KafkaError, LookupError, TimeoutError, OSError) as error:
        return print_error(f"Kafka cannot be reached: {error_text(error)}")


def _list(settings: Settings, asked: argparse.Namespace) -> int:
    letters = asyncio.run(read_letters(settings, asked.since))
    wanted = LetterFilter(reason=asked.reason, since=asked.since, task_sid=asked.task_sid).of(
        letters
    )
    shown = wanted[-asked.limit :]
    if asked.json:
        print(json.dumps([as_json(each) for each in shown], indent=2, ensure_ascii=False))
        return 0
    for each in shown:
        print(line(each))
    if len(shown) < len(wanted):
        print_message(f"the latest {len(shown)} of {len(wanted)}: --limit shows more")
    elif not shown:
        print_message("no dead letters")
    return 0


def _show(settings: Settings, asked: argparse.Namespace) -> int:
    letters = asyncio.run(read_letters(settings, partitions=_partitions([asked.id])))
    for letter in LetterFilter(ids=[asked.id]).of(letters):
        if asked.raw:
            sys.stdout.buffer.write(letter.record.original)
            sys.stdout.buffer.flush()
        else:
            print(as_text(letter))
        return 0
    return print_error(_absent([asked.id]))


async def _retry(settings: Settings, asked: argparse.Namespace) -> int:
    if asked.dry_run:
        return await _put_back(settings, asked, None)
    await ensure_topics(settings, [CTI_EVENTS, DEAD_LETTERS, DEAD_LETTERS_RETRIED])
    writer = RetryWriter(settings)
    try:
        # The order matters, as in the bridge. 1: fence all other retries. 2: read the marks, which
        # are complete then.
        await writer.start()
        return await _put_back(settings, asked, writer)
    finally:
        await writer.close()


async def _put_back(
    settings: Settings, asked: argparse.Namespace, writer: RetryWriter | None
) -> int:
    partitions = _partitions(asked.ids) if asked.ids else None
    letters = await read_letters(settings, asked.since, partitions)
    wanted = LetterFilter(frozenset(asked.ids), asked.reason, asked.since, asked.task_sid).of(
        letters
    )
    chosen, left = _chosen(wanted, asked)
    limits = await topic_limits(settings)
    still_bad = 0
    now = await log_time(settings)
    for letter in chosen:
        plan = retry_of(letter, settings.topic_prefix, limits, now)
        if isinstance(plan, LetterRetry) and writer is not None:
            await writer.write(letter, plan, now)
        still_bad += isinstance(plan, StillBad)
        print(f"{letter.name}  {_outcome(plan, dry=writer is None)}", flush=True)
    would = " would be" if writer is None else ""
    print_message(f"{len(chosen) - still_bad}{would} put back, {still_bad} still bad{left}")
    absent = set(asked.ids) - {letter.id for letter in letters}
    if absent:
        return print_error(_absent(sorted(absent)))
    return 1 if still_bad else 0


def _chosen(wanted: Sequence[Letter], asked: argparse.Namespace) -> tuple[list[Letter], str]:
    """Return the letters to put back, and a text about the others."""
    named = bool(asked.ids) or asked.reason is not None
    fresh = [each for each in wanted if asked.again or each.retried is None]
    useful = [each for each in fresh if named or each.record.reason not in COMES_BACK]
    chosen = useful[: asked.limit]
    counts = {
        "were put back before (--again)": len(wanted) - len(fresh),
        f"would fail again ({', '.join(sorted(COMES_BACK))}: give their IDs, or --reason)": len(
            fresh
        )
        - len(useful),
        f"beyond --limit {asked.limit}": len(useful) - len(chosen),
    }
    return chosen, "".join(f"; {count} {what}" for what, count in counts.items() if count)


def _outcome(plan: LetterRetry | StillBad, *, dry: bool) -> str:
    if isinstance(plan, StillBad):
        return f"still bad: {plan.why}"
    if not plan.puts:
        return "nothing to write: its events are not used"
    where = ", ".join(sorted({put.message.topic for put in plan.puts}))
    return f"{'would be ' if dry else ''}put back: {len(plan.puts)} on {where}"


def _partitions(ids: Sequence[tuple[int, int]]) -> frozenset[int]:
    return frozenset(n for n, _ in ids if n < DEAD_LETTERS.partitions)


def _absent(ids: Sequence[tuple[int, int]]) -> str:
    return f"there is no dead letter {', '.join(f'{p}-{o}' for p, o in ids)}"
