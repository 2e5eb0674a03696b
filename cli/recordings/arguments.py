"""The arguments of `flexcapture recordings`."""

import argparse
from pathlib import Path
from typing import Any

from schemas.topics import CALL_PARTITIONS


def add(commands: Any) -> None:
    """Add the command to `commands`."""
    top = commands.add_parser("recordings", help="repair unfinished recordings with missing files")
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    restart = actions.add_parser(
        "restart",
        help="record the affected recordings again, from the topic media",
    )
    restart.add_argument(
        "--partition",
        type=_partition,
        required=True,
        metavar="N",
        help="the partition that the recorder reports",
    )
    restart.add_argument(
        "--yes", action="store_true", help="restart them (default: only show the losses)"
    )
    restart.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")


def _partition(text: str) -> int:
    if not text.isdecimal() or int(text) >= CALL_PARTITIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a partition: 0 to {CALL_PARTITIONS - 1}")
    return int(text)
