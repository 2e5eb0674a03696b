"""The arguments of `flexcapture schemas`."""

from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to a subparser."""
    schemas = commands.add_parser("schemas", help="the schemas in the configured registry")
    actions = schemas.add_subparsers(dest="action", required=True, metavar="ACTION")
    register = actions.add_parser(
        "register", help="register what the registry lacks, and publish its ids for all processes"
    )
    register.add_argument(
        "--assigned-ids",
        action="store_true",
        help="use the registry's own ids, even if it takes ours",
    )
    register.add_argument(
        "--if-configured",
        action="store_true",
        help="without a registry in the settings, do nothing",
    )
    export = actions.add_parser("export", help="write the schemas as files, with an index")
    export.add_argument("directory", type=Path, metavar="DIR")
    check = actions.add_parser(
        "check", help="compare the registry with the schemas; exit status 1: they differ"
    )
    for action in (register, check):
        action.add_argument("--state-dir", type=Path, metavar="DIR", help="of the `up` to ask")
