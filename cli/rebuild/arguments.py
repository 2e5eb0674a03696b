"""The arguments of `flexcapture rebuild`."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runtime.settings import Settings, SettingsError, checked_recordings_url


@dataclass(frozen=True, slots=True)
class Stores:
    """URLs: where recordings are made (None: nowhere, they are only compared), and where the
    recorder keeps its own."""

    target: str | None
    own: str


def add(commands: Any, moment: Callable[[str], int], task_sid: Callable[[str], str]) -> None:
    """Adds the command to a subparser."""

    def beginning(text: str) -> int:
        return 0 if text == "beginning" else moment(text)

    rebuild = commands.add_parser("rebuild", help="makes a table or recordings anew from the log")
    kinds = rebuild.add_subparsers(dest="what", required=True, metavar="WHAT")
    table = kinds.add_parser("tracker", help="the tracker's table; the role must not run")
    table.add_argument("--check", action="store_true", help="compare only: 0 same, 1 different")
    recordings = kinds.add_parser("recordings", help="the same recordings, to another place")
    recordings.add_argument(
        "--from", dest="since", type=beginning, required=True, metavar="TIME",
        help="log time from which on they began: RFC 3339, epoch milliseconds, or `beginning`",
    )  # fmt: skip
    recordings.add_argument("--until", type=moment, metavar="TIME", help="... and ended before")
    recordings.add_argument("--task-sid", type=task_sid, metavar="TASK_SID", help="of one call")
    where = recordings.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", metavar="DIR", help="a directory, or file:///... or s3://...")
    where.add_argument(
        "--check", action="store_true",
        help="compare with the recordings store and write nothing: 0 same, 1 different",
    )  # fmt: skip
    for kind in (table, recordings):
        kind.add_argument("--state-dir", type=Path, metavar="DIR", help="where `up` ran")


def stores(settings: Settings, asked: argparse.Namespace, default: Path) -> Stores:
    """Of `rebuild recordings`; `default`: the usual state directory. Raises `SettingsError` for
    arguments that cannot be."""
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
        raise SettingsError(f"--to {asked.to} is the recordings store itself: give another place")
    return Stores(target, own)
