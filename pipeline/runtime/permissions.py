"""Which users of the machine may read what is written: the owner, or the group too
(`FLEXCAPTURE_FILE_MODE`).

The process's umask covers all that is created. What exists already, and is named by a setting, is
tightened by `up`, which owns it; a role by itself refuses it, with the command to run.
"""

import os
import re
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.runtime.settings import PREFIX, Settings, SettingsError

PRIVATE_UMASK = 0o077
DATABASE_SUFFIXES = ("", "-wal", "-shm")
_SQLITE = re.compile(r"sqlite(?:\+pysqlite)?:///([^?]+)")


@dataclass(frozen=True, slots=True)
class _OpenPath:
    """A path that is open to others: its mode, and the greatest that is allowed."""

    path: Path
    mode: int
    allowed: int

    def __str__(self) -> str:
        return f"{self.path} is open to other users of this machine (mode {self.mode & 0o777:04o})"

    @property
    def command(self) -> str:
        """What its owner must run."""
        return f"chmod {self.closed & 0o777:o} {shlex.quote(str(self.path))}"

    @property
    def closed(self) -> int:
        """The mode without what others must not have."""
        return self.mode & ~(0o077 & ~self.allowed)


def umask_for(file_mode: int) -> int:
    """Return the umask under which files get this mode, and directories can be entered by those who
    may read the files."""
    return 0o777 & ~directory_mode(file_mode)


def directory_mode(file_mode: int) -> int:
    """Return the mode of directories of files with this mode."""
    return file_mode | (file_mode & 0o444) >> 2


def named_paths(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the directories, and the files of a SQLite database, that settings name, each with the
    setting's name."""
    if settings.state_dir is not None:
        yield f"{PREFIX}STATE_DIR", settings.state_dir
    if settings.gateway_spill_dir is not None:
        yield f"{PREFIX}GATEWAY_SPILL_DIR", settings.gateway_spill_dir
    parts = urlsplit(settings.recordings_url or "")
    if parts.scheme == "file":
        yield f"{PREFIX}RECORDINGS_URL", Path(unquote(parts.path))
    if (database := _SQLITE.match(settings.database_url or "")) is not None:
        for suffix in DATABASE_SUFFIXES:
            yield f"{PREFIX}DATABASE_URL", Path(unquote(database[1]) + suffix)


def refuse_open_paths(settings: Settings) -> None:
    """Raise `SettingsError` if a path that a setting names is open to others."""
    for name, path in named_paths(settings):
        if (open_path := _open_path(path, settings.file_mode)) is not None:
            raise SettingsError(f"{name}: {open_path}; run: {open_path.command}")


def tighten(name: str, path: Path, file_mode: int) -> None:
    """Take from others what they may do with the path, if it exists. Raises `SettingsError` that
    names the setting if it is not ours to change."""
    if (found := _open_path(path, file_mode)) is None:
        return
    if found.mode & stat.S_ISVTX:
        raise SettingsError(f"{name}: {found}, which share it: name a directory of its own")
    try:
        path.chmod(found.closed)
    except OSError as error:
        raise SettingsError(f"{name}: {found} ({error}); run: {found.command}") from error
    if _open_path(path, file_mode) is not None:
        raise SettingsError(f"{name}: {found}, and stays so: its file system has no modes")


def set_umask(file_mode: int) -> None:
    """From now on this process creates files with this mode."""
    os.umask(umask_for(file_mode))


def _open_path(path: Path, file_mode: int) -> _OpenPath | None:
    """The path if it exists and is open to others."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    allowed = directory_mode(file_mode) if stat.S_ISDIR(mode) else file_mode
    is_open = stat.S_IMODE(mode) & 0o077 & ~allowed
    return _OpenPath(path, stat.S_IMODE(mode), allowed) if is_open else None
