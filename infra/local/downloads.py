"""Directories that are downloaded once, kept, and reused until another version is needed."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

_NPM_SECONDS = 300
_CHECKOUT = Path(__file__).parent.parent.parent


class MissingTool(RuntimeError):
    """A required program is not installed. The text says what to install."""


def kept(name: str) -> Path:
    """Return the directory for downloads: in the checkout, or in the user's cache without a
    checkout."""
    if (_CHECKOUT / "pyproject.toml").exists():
        return _CHECKOUT / ".local" / name
    return Path.home() / ".cache" / "flexcapture" / name


def fetched(directory: Path, named_in: Iterable[Path], fetch: Callable[[Path], None]) -> Path:
    """Return `directory`; fill it first if it is missing, or if the files `named_in` have changed
    since.

    `fetch` is called with the path of a directory to create and fill. Processes that need it at the
    same time wait for one another. Raise what `fetch` raises.
    """
    wanted = hashlib.sha256(b"\0".join(path.read_bytes() for path in named_in)).hexdigest()
    if _mark(directory) == wanted:
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _mark(directory) != wanted:  # the last holder of the lock may have fetched it
            partial = directory.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            fetch(partial)
            _mark_file(partial).write_text(wanted)
            shutil.rmtree(directory, ignore_errors=True)
            partial.rename(directory)
    return directory


def npm_packages(directory: Path, named_in: Iterable[Path]) -> None:
    """Create `directory` with the npm packages that package.json and its lock file name.

    Block while npm runs. Raise `MissingTool` without npm, and `RuntimeError` with npm's output if
    it fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise MissingTool("Node and npm are needed (Debian: apt install npm)")
    directory.mkdir()
    for path in named_in:
        shutil.copy(path, directory)
    done = subprocess.run(  # noqa: S603
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=directory, capture_output=True, text=True, check=False, timeout=_NPM_SECONDS,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"npm could not install the packages:\n{done.stdout}{done.stderr}")


def _mark_file(directory: Path) -> Path:
    return directory / "named-in.sha256"


def _mark(directory: Path) -> str | None:
    mark = _mark_file(directory)
    return mark.read_text() if mark.exists() else None
