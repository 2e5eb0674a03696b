"""The files of the repository."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def files() -> tuple[Path, ...]:
    """Return every file, also a new one, relative to `ROOT`; ignored ones are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    paths = map(Path, filter(None, listed.stdout.split("\0")))
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))
