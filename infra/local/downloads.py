"""What is fetched once, kept in a directory, and used again until another version is wanted."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

_CHECKOUT = Path(__file__).parent.parent.parent


class MissingTool(RuntimeError):
    """Something that must be on the machine is not; the text says what to install."""


def kept(name: str) -> Path:
    """Where it is kept: in the checkout, or in the user's cache where there is none."""
    if (_CHECKOUT / "pyproject.toml").exists():
        return _CHECKOUT / ".local" / name
    return Path.home() / ".cache" / "flexcapture" / name


def fetched(directory: Path, named_in: Iterable[Path], fetch: Callable[[Path], None]) -> Path:
    """`directory`, filled first where it is missing or was filled for another content of the files
    `named_in`. `fetch` is given an empty directory's path, to make and to fill; processes that want
    it at the same time wait for one another. Raises what `fetch` does."""
    wanted = hashlib.sha256(b"\0".join(path.read_bytes() for path in named_in)).hexdigest()
    if _mark(directory) == wanted:
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _mark(directory) != wanted:  # whoever held the lock may have fetched it
            partial = directory.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            fetch(partial)
            _mark_file(partial).write_text(wanted)
            shutil.rmtree(directory, ignore_errors=True)
            partial.rename(directory)
    return directory


def _mark_file(directory: Path) -> Path:
    return directory / "named-in.sha256"


def _mark(directory: Path) -> str | None:
    mark = _mark_file(directory)
    return mark.read_text() if mark.exists() else None
