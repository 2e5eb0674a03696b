"""The arguments of `flexcapture reconcile`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def add(commands: Any, moment: Callable[[str], int]) -> None:
    """Add the command to the parser."""
    reconcile = commands.add_parser(
        "reconcile", help="compare the calls of a period with Twilio's own records"
    )
    reconcile.add_argument(
        "--from", dest="since", type=moment, required=True, metavar="TIME",
        help="start of the period: RFC 3339 with an offset, or epoch milliseconds",
    )  # fmt: skip
    reconcile.add_argument(
        "--to",
        dest="until",
        type=moment,
        required=True,
        metavar="TIME",
        help="end of the period, exclusive",
    )
    reconcile.add_argument("--json", action="store_true", help="as one JSON object")
    reconcile.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")
