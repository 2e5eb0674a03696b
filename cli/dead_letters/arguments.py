"""The arguments of `flexcapture dead-letters`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFAULT_LIMIT = 100


def add(commands: Any, moment: Callable[[str], int], positive: Callable[[str], int]) -> None:
    """Add the command to `commands`. The two callables parse an argument's text."""
    top = commands.add_parser("dead-letters", help="list, show or retry records that failed")
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the dead letters, oldest first")
    show = actions.add_parser("show", help="show one dead letter in full")
    show.add_argument("id", type=letter_id, metavar="ID", help="partition-offset, from the list")
    show.add_argument("--raw", action="store_true", help="print only the original bytes")
    retry = actions.add_parser("retry", help="put dead letters back, each once unless --again")
    retry.add_argument(
        "ids",
        type=letter_id,
        nargs="*",
        metavar="ID",
        help="dead letters to put back (default: all)",
    )
    retry.add_argument("--dry-run", action="store_true", help="only print what would be done")
    retry.add_argument(
        "--again", action="store_true", help="also dead letters that were put back before"
    )
    for each in (listing, retry):
        each.add_argument("--reason", metavar="R", help="only dead letters with this reason")
        each.add_argument("--task-sid", metavar="SID", help="only dead letters of this call")
        each.add_argument(
            "--since", type=moment, metavar="TIME", help="only dead letters since this time"
        )
        each.add_argument(
            "--limit", type=positive, default=DEFAULT_LIMIT, metavar="N",
            help=f"at most this many ({DEFAULT_LIMIT}); `list`: the latest, `retry`: the oldest",
        )  # fmt: skip
    listing.add_argument("--json", action="store_true", help="as JSON")
    for each in (listing, show, retry):
        each.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")


def letter_id(text: str) -> tuple[int, int]:
    """Return the dead letter's ID from an argument `partition-offset`."""
    partition, _, offset = text.partition("-")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not the ID of a dead letter, as in 3-17")
    return int(partition), int(offset)
