"""The arguments of `flexcapture schemas`."""

from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to a subparser."""
    schemas = commands.add_parser("schemas", help="manage the schemas in the configured registry")
    actions = schemas.add_subparsers(dest="action", required=True, metavar="ACTION")
    register = actions.add_parser(
        "register",
        help="register missing schemas, and publish the registry's ids for all processes",
    )
    register.add_argument(
        "--assigned-ids",
        action="store_true",
        help="use the registry's own ids, even if it accepts ours",
    )
    register.add_argument(
        "--if-configured",
        action="store_true",
        help="do nothing if no registry is set",
    )
    export = actions.add_parser("export", help="write the schemas as files, with an index")
    export.add_argument("directory", type=Path, metavar="DIR")
    check = actions.add_parser(
        "check", help="compare the registry with the schemas; exit status 0: equal, 1: different"
    )
    for action in (register, check):
        action.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")
