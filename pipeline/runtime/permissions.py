"""Which users of the machine may read our files: the owner, or also the group
(`FLEXCAPTURE_FILE_MODE`).

The process's umask covers all files that it creates. Existing paths in settings are tightened by
`up`, which owns them; a role by itself refuses them, and names the command to run.
"""

import os
import re
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.runtime.settings import PREFIX, Settings, SettingsError

PRIVATE_UMASK = 0o077
DATABASE_SUFFIXES = ("", "-wal", "-shm")
_SQLITE = re.compile(r"sqlite(?:\+pysqlite)?:///([^?]+)")


@dataclass(frozen=True, slots=True)
class _OpenPath:
    """A path that others can access: its mode, and the greatest allowed mode."""

    path: Path
    mode: int
    allowed: int

    def __str__(self) -> str:
        return f"{self.path} is open to other users of this machine (mode {self.mode & 0o777:04o})"

    @property
    def command(self) -> str:
        """The command that its owner must run."""
        return f"chmod {self.closed & 0o777:o} {shlex.quote(str(self.path))}"

    @property
    def closed(self) -> int:
        """The mode without the bits that others must not have."""
        return self.mode & ~(0o077 & ~self.allowed)


def umask_for(file_mode: int) -> int:
    """Return the umask for files with this mode. Directories can be entered by those users that may
    read the files."""
    return 0o777 & ~directory_mode(file_mode)


def directory_mode(file_mode: int) -> int:
    """Return the mode of directories of files with this mode."""
    return file_mode | (file_mode & 0o444) >> 2


def named_paths(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the directories, and the files of a SQLite database, in the settings, each with the
    setting's name."""
    if settings.state_dir is not None:
        yield f"{PREFIX}STATE_DIR", settings.state_dir
    if settings.gateway_spill_dir is not None:
        yield f"{PREFIX}GATEWAY_SPILL_DIR", settings.gateway_spill_dir
    for name in ("recordings_url", "lake_url"):
        parts = urlsplit(getattr(settings, name) or "")
        if parts.scheme == "file":
            yield f"{PREFIX}{name.upper()}", Path(unquote(parts.path))
    if (database := _SQLITE.match(settings.database_url or "")) is not None:
        for suffix in DATABASE_SUFFIXES:
            yield f"{PREFIX}DATABASE_URL", Path(unquote(database[1]) + suffix)


def refuse_open_paths(settings: Settings) -> None:
    """Raise `SettingsError` if a path in a setting is open to others."""
    for name, path in named_paths(settings):
        if (open_path := _open_path(path, settings.file_mode)) is not None:
            raise SettingsError(f"{name}: {open_path}; run: {open_path.command}")


def tighten(name: str, path: Path, file_mode: int) -> None:
    """Remove others' access to the path, if it exists. Raise `SettingsError` with the setting's
    name if this process may not change it."""
    if (found := _open_path(path, file_mode)) is None:
        return
    if found.mode & stat.S_ISVTX:
        raise SettingsError(f"{name}: {found}, and is shared with them: use another directory")
    _close(name, found)
    if _open_path(path, file_mode) is not None:
        raise SettingsError(f"{name}: {found}: its file system does not support modes")


def _close(name: str, found: _OpenPath) -> None:
    try:
        found.path.chmod(found.closed)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingsError(f"{name}: {found} ({error}); run: {found.command}") from error


def tighten_tree(name: str, root: Path, file_mode: int) -> None:
    """Remove others' access to the path and, if it is a directory, to everything below it. Raise
    `SettingsError` as `tighten` does.

    Symbolic links below `root` are not followed. A directory is closed before it is read, so that
    others cannot replace its entries meanwhile.
    """
    tighten(name, root, file_mode)
    directories = [str(root)] if root.is_dir() else []
    while directories:
        for path, mode in _entries(directories.pop()):
            if (found := _if_open(path, mode, file_mode)) is not None:
                _close(name, found)
            if stat.S_ISDIR(mode):
                directories.append(path)


def _entries(directory: str) -> Iterator[tuple[str, int]]:
    """Yield path and mode of the directory's entries, without symbolic links. Yield nothing if it
    does not exist, or if another user owns it and has closed it (`lost+found`)."""
    with suppress(FileNotFoundError, PermissionError), os.scandir(directory) as found:
        for entry in found:
            with suppress(FileNotFoundError):
                if not entry.is_symlink():
                    yield entry.path, entry.stat(follow_symlinks=False).st_mode


def set_umask(file_mode: int) -> None:
    """Make this process create files with this mode from now on."""
    os.umask(umask_for(file_mode))


def _open_path(path: Path, file_mode: int) -> _OpenPath | None:
    """Return the path if it exists and is open to others."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    return _if_open(path, mode, file_mode)


def _if_open(path: Path | str, mode: int, file_mode: int) -> _OpenPath | None:
    """Return the path if this mode of it gives others access."""
    allowed = directory_mode(file_mode) if stat.S_ISDIR(mode) else file_mode
    is_open = stat.S_IMODE(mode) & 0o077 & ~allowed
    return _OpenPath(Path(path), stat.S_IMODE(mode), allowed) if is_open else None
