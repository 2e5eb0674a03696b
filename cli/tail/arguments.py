"""The arguments of `flexcapture tail`."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cli.own_role import NoRole, topics_of
from schemas.topics import PROVISIONED, Topic

BEGINNING = "beginning"


class WrongUsage(ValueError):
    """The arguments contradict one another, or name no topic. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class TailRequest:
    """The records to read.

    `topics`: of the pipeline. `derived`: of other prefixes, with the prefix in their names.
    `since`, `until`: log times in ms, `until` exclusive; None: no limit. `only_new`: start at the
    present end. `follow`: continue with new records.
    """

    topics: tuple[Topic, ...]
    derived: tuple[Topic, ...] = ()
    task_sid: str | None = None
    since: int | None = None
    until: int | None = None
    only_new: bool = False
    follow: bool = False


def add(commands: Any, moment: Callable[[str], int], task_sid: Callable[[str], str]) -> None:
    """Add the command to `commands`. The two callables parse an argument's text."""

    def start(text: str) -> int | str:
        return text if text == BEGINNING else moment(text)

    tail = commands.add_parser(
        "tail",
        help="print the records of topics, decoded",
        description="Prints the records of topics, decoded and in the order of time: all that are "
        "kept, or with --follow the new ones until it is stopped.",
    )
    tail.add_argument(
        "topics", nargs="+", metavar="TOPIC",
        help="name; with another prefix, as august.calls: the topic of a derivation",
    )  # fmt: skip
    tail.add_argument("--task-sid", type=task_sid, metavar="SID", help="only records of this call")
    tail.add_argument(
        "--from", dest="start", type=start, metavar="TIME",
        help=f"start at this log time, or at `{BEGINNING}` (default: {BEGINNING}; with --follow: "
        "now). RFC 3339 with an offset, or epoch milliseconds",
    )  # fmt: skip
    tail.add_argument("--until", type=moment, metavar="TIME", help="end before this log time")
    tail.add_argument("-f", "--follow", action="store_true", help="continue with new records")
    form = tail.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line, all fields")
    form.add_argument(
        "--table", action="store_true", help="one line a record, main fields (the default)"
    )
    tail.add_argument("--module", metavar="MODULE", help="your own role, to read its topics too")
    tail.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")


def asked_of(arguments: argparse.Namespace, topic_prefix: str) -> TailRequest:
    """Return what the parsed arguments ask for. Raise `WrongUsage`."""
    start, until = arguments.start, arguments.until
    since = start if isinstance(start, int) else None
    if since is not None and until is not None and until <= since:
        raise WrongUsage("--until must be later than --from")
    topics, derived = _topics(arguments.topics, topic_prefix, _own(arguments.module))
    return TailRequest(
        topics=topics,
        derived=derived,
        task_sid=arguments.task_sid,
        since=since,
        until=until,
        only_new=arguments.follow and start is None,
        follow=arguments.follow,
    )


def _own(module: str | None) -> tuple[Topic, ...]:
    """Return the topics of the user's own role, and make their records decodable."""
    try:
        return () if module is None else topics_of(module)
    except NoRole as error:
        raise WrongUsage(str(error)) from error


def _topics(
    names: Sequence[str], topic_prefix: str, own: Sequence[Topic]
) -> tuple[tuple[Topic, ...], tuple[Topic, ...]]:
    """Return the named topics of the pipeline, and those of other prefixes, each once. The name of
    a topic of the pipeline may have the prefix."""
    topics = (*own, *PROVISIONED)
    known = {topic.name: topic for topic in topics}
    known |= {topic_prefix + topic.name: topic for topic in topics}
    found = {name: known[name] for name in names if name in known}
    derived = {name: _derived(name, topics) for name in names if name not in known}
    unknown = [name for name, topic in derived.items() if topic is None]
    if unknown:
        every = ", ".join(dict.fromkeys(topic.name for topic in topics))
        raise WrongUsage(f"no such topic: {', '.join(unknown)}. The topics are: {every}")
    return (
        tuple({topic.name: topic for topic in found.values()}.values()),
        tuple(topic for topic in derived.values() if topic is not None),
    )


def _derived(name: str, topics: Sequence[Topic]) -> Topic | None:
    """Return the topic under another prefix, with its whole name, or None if no topic's name is the
    end of `name`."""
    ends = [topic for topic in topics if name.endswith(topic.name)]
    return replace(max(ends, key=lambda topic: len(topic.name)), name=name) if ends else None
