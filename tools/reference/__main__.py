"""`python -m tools.reference [--check]`: write docs/reference, or check that it is up to date."""

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tools.reference import asyncapi, evolution, pages
from tools.reference.example_run import FILE
from tools.reference.model import ROOT

DIRECTORY = ROOT / "docs" / "reference"


@cache
def files() -> Mapping[str, str]:
    """Return the text of each generated file by its name."""
    return {**pages.pages(), "evolution.md": evolution.page(), "asyncapi.yaml": asyncapi.text()}


def stale(directory: Path) -> list[str]:
    """Return the names of the files that are missing, outdated, or generated no more."""
    wanted = files()
    present = {
        path.name: path.read_text() for path in directory.iterdir() if path.name != FILE.name
    }
    return sorted(name for name in {*wanted, *present} if wanted.get(name) != present.get(name))


def write(directory: Path) -> None:
    """Write the files; remove those that are generated no more."""
    wanted = files()
    for path in directory.iterdir():
        if path.name not in {*wanted, FILE.name}:
            path.unlink()
    for name, text in wanted.items():
        (directory / name).write_text(text)


def main(arguments: list[str]) -> int:
    """Return the exit status: with `--check`, 1 if a file is stale."""
    if arguments != ["--check"]:
        write(DIRECTORY)
        return 0
    names = stale(DIRECTORY)
    for name in names:
        print(f"docs/reference/{name} is stale: run python -m tools.reference", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
