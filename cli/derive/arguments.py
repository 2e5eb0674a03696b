"""The arguments of `flexcapture derive`."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.runtime.settings import Settings, SettingsError

ROLE_NAMES = ("tracker", "resolver", "stream-manager", "consolidator")


def add(commands: Any, moment: Callable[[str], int]) -> None:
    """Add the command to a subparser. `moment` parses a time."""

    def beginning(text: str) -> int | None:
        return None if text == "beginning" else moment(text)

    derive = commands.add_parser(
        "derive", help="run the roles of this release over the log, into separate topics"
    )
    derive.add_argument(
        "--to", type=prefix, metavar="PREFIX",
        help="prefix of the derived topics; the same command continues a derivation",
    )  # fmt: skip
    derive.add_argument(
        "--from", dest="since", type=beginning, metavar="TIME",
        help="first log time: RFC 3339, epoch ms, or `beginning` (the default)",
    )  # fmt: skip
    derive.add_argument("--until", type=moment, metavar="TIME", help="end before this log time")
    derive.add_argument(
        "--roles", type=_roles, default=ROLE_NAMES, metavar="ROLE,...",
        help=f"the roles to derive (default: {','.join(ROLE_NAMES)})",
    )  # fmt: skip
    derive.add_argument("--follow", action="store_true", help="continue with new records")
    _add_rules(derive)
    derive.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")
    actions = derive.add_subparsers(dest="action", metavar="ACTION")
    compare = actions.add_parser(
        "compare", help="compare with the live topics; exit status 0: equal, 1: different"
    )
    compare.add_argument("--json", action="store_true", help="as JSON")
    drop = actions.add_parser("drop", help="delete a derivation")
    drop.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    for each in (compare, drop):
        each.add_argument(
            "prefix", type=prefix, metavar="PREFIX", help="prefix of the derived topics"
        )
        each.add_argument(
            "--state-dir", type=Path, metavar="DIR", default=argparse.SUPPRESS,
            help="state directory of `up`",
        )  # fmt: skip


def _add_rules(derive: argparse.ArgumentParser) -> None:
    derive.add_argument(
        "--monitored-agents", type=Path, metavar="FILE",
        help="monitored list in place of every live version",
    )  # fmt: skip
    for direction in ("inbound", "outbound"):
        derive.add_argument(
            f"--record-{direction}", choices=("true", "false"),
            help=f"whether {direction} calls are recorded, in place of the live setting",
        )  # fmt: skip


def prefix(text: str) -> str:
    """Return the prefix of a derivation. Raise `ArgumentTypeError` for a text that is none."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no prefix: 1 to 100 letters, digits, '.', '_' and '-', as in `august.`"
        )
    return text


def checked(asked: argparse.Namespace, settings: Settings) -> None:
    """Raise `SettingsError` for arguments that contradict each other or the settings."""
    if asked.action is None and asked.to is None:
        raise SettingsError("--to PREFIX is missing")
    chosen = asked.to if asked.action is None else asked.prefix
    if settings.topic_prefix.startswith(chosen):
        raise SettingsError(f"{chosen} is the prefix of the live topics, or a part of it")
    if asked.until is not None and asked.follow:
        raise SettingsError("--follow has no end: leave out --until")
    if asked.until is not None and asked.since is not None and asked.until <= asked.since:
        raise SettingsError("--until must be later than --from")


def _roles(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in ROLE_NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{unknown[0]!r} cannot be derived; roles: {', '.join(ROLE_NAMES)}"
        )
    return names
