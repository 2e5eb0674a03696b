"""The arguments of `flexcapture recordings`."""

import argparse
from pathlib import Path
from typing import Any

from schemas.topics import CALL_PARTITIONS


def add(commands: Any) -> None:
    """Add the command to `commands`."""
    top = commands.add_parser("recordings", help="recordings whose files are gone")
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    restart = actions.add_parser(
        "restart",
        help="make unfinished recordings whose files are gone once more, from the topic media",
    )
    restart.add_argument(
        "--partition", type=_partition, required=True, metavar="N", help="as the recorder names it"
    )
    restart.add_argument("--yes", action="store_true", help="do it; without, only say what is lost")
    restart.add_argument("--state-dir", type=Path, metavar="DIR", help="of the `up` to ask")


def _partition(text: str) -> int:
    if not text.isdecimal() or int(text) >= CALL_PARTITIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is no partition: 0 to {CALL_PARTITIONS - 1}")
    return int(text)
