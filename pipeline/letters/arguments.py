"""The arguments of `flexcapture dead-letters`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFAULT_LIMIT = 100


def add(commands: Any, moment: Callable[[str], int], positive: Callable[[str], int]) -> None:
    """Adds the command to `commands`; the two callables are types of arguments."""
    top = commands.add_parser("dead-letters", help="what could not be processed: looks, puts back")
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the dead letters, oldest first")
    show = actions.add_parser("show", help="one dead letter, whole")
    show.add_argument("id", type=letter_id, metavar="ID", help="partition-offset, from the list")
    show.add_argument("--raw", action="store_true", help="only the bytes as they came")
    retry = actions.add_parser("retry", help="puts them back: each once, unless --again")
    retry.add_argument("ids", type=letter_id, nargs="*", metavar="ID", help="these; else all")
    retry.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    retry.add_argument("--again", action="store_true", help="also those put back before")
    for each in (listing, retry):
        each.add_argument("--reason", metavar="R", help="only those given up for this reason")
        each.add_argument("--task-sid", metavar="SID", help="only those of that call")
        each.add_argument("--since", type=moment, metavar="TIME", help="only those from then on")
        each.add_argument(
            "--limit", type=positive, default=DEFAULT_LIMIT, metavar="N",
            help=f"at most so many: {DEFAULT_LIMIT}; `list`: the latest, `retry`: the oldest",
        )  # fmt: skip
    listing.add_argument("--json", action="store_true", help="as JSON")
    for each in (listing, show, retry):
        each.add_argument("--state-dir", type=Path, metavar="DIR", help="of the `up` to ask")


def letter_id(text: str) -> tuple[int, int]:
    """`partition-offset`, as an argument."""
    partition, _, offset = text.partition("-")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no dead letter's ID, as in 3-17")
    return int(partition), int(offset)
