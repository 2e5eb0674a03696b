"""The arguments of `flexcapture topics`."""

from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to a subparser."""
    topics = commands.add_parser("topics", help="the topics on Kafka: check or create them")
    actions = topics.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="what is missing or wrong; changes nothing")
    apply = actions.add_parser(
        "apply", help="create what is missing, and set right what differs (never partitions)"
    )
    apply.add_argument("--dry-run", action="store_true", help="print what would be done")
    for action in (check, apply):
        action.add_argument("--state-dir", type=Path, metavar="DIR", help="of the `up` to ask")
