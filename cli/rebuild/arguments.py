"""The arguments of `flexcapture rebuild`."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runtime.setting_values import checked_recordings_url
from pipeline.runtime.settings import Settings, SettingsError


@dataclass(frozen=True, slots=True)
class Stores:
    """URLs: the place for the rebuilt recordings (None: they are only compared), and the recorder's
    own store."""

    target: str | None
    own: str


def add(commands: Any, moment: Callable[[str], int], task_sid: Callable[[str], str]) -> None:
    """Add the command to a subparser. The two callables parse an argument's text."""

    def beginning(text: str) -> int:
        return 0 if text == "beginning" else moment(text)

    rebuild = commands.add_parser("rebuild", help="rebuild a table or recordings from the log")
    kinds = rebuild.add_subparsers(dest="what", required=True, metavar="WHAT")
    table = kinds.add_parser(
        "tracker", help="rebuild the tracker's table; no tracker may be running"
    )
    table.add_argument("--check", action="store_true", help="compare only: 0 same, 1 different")
    recordings = kinds.add_parser("recordings", help="make recordings again, in another place")
    recordings.add_argument(
        "--from", dest="since", type=beginning, required=True, metavar="TIME",
        help="only recordings since this log time: RFC 3339, epoch ms, or `beginning`",
    )  # fmt: skip
    recordings.add_argument(
        "--until",
        type=moment,
        metavar="TIME",
        help="only recordings that ended before this log time",
    )
    recordings.add_argument(
        "--task-sid", type=task_sid, metavar="TASK_SID", help="only recordings of this call"
    )
    where = recordings.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--to", metavar="DIR", help="where to write: a directory, file:///... or s3://..."
    )
    where.add_argument(
        "--check", action="store_true",
        help="compare with the recordings store and write nothing: 0 same, 1 different",
    )  # fmt: skip
    for kind in (table, recordings):
        kind.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")


def stores(settings: Settings, asked: argparse.Namespace, default: Path) -> Stores:
    """Return the stores for `rebuild recordings`. `default`: the usual state directory. Raise
    `SettingsError` for contradictory arguments."""
    if asked.since and asked.until is not None and asked.until <= asked.since:
        raise SettingsError("--until must be later than --from")
    directory = (asked.state_dir or settings.state_dir or default).absolute()
    own = settings.recordings_url or (directory / "recordings").as_uri()
    if asked.check:
        return Stores(None, own)
    target = asked.to if "://" in asked.to else Path(asked.to).resolve().as_uri()
    try:
        checked_recordings_url(target)
    except ValueError as error:
        raise SettingsError(f"--to: {error}") from error
    if target.rstrip("/") == own.rstrip("/"):
        raise SettingsError(f"--to {asked.to} is the recordings store itself; use another place")
    return Stores(target, own)


_SHOWN = 20


def print_list(what: str, lines: Sequence[str]) -> None:
    """Print the number of lines, a heading, and the first lines; nothing if there are none."""
    if lines:
        print(f"{len(lines)}: {what}")
        print("".join(f"  {line}\n" for line in lines[:_SHOWN]), end="")
        if len(lines) > _SHOWN:
            print(f"  and {len(lines) - _SHOWN} more")
