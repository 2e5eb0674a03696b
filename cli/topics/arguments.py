"""The arguments of `flexcapture topics`.

They are separate from the command, so that the parser does not load Kafka's client.
"""

from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command and its actions to a subparser. Both actions find Kafka by the settings, or
    by the state directory of a running `up`."""
    topics = commands.add_parser("topics", help="check or create the topics on Kafka")
    actions = topics.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="show missing and wrong topics, without changes")
    apply = actions.add_parser(
        "apply", help="create missing topics and correct wrong settings (never partitions)"
    )
    apply.add_argument("--dry-run", action="store_true", help="print what would be done")
    for action in (check, apply):
        action.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")
