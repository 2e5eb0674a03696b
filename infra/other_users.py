"""Other people with an account on this machine."""

import os
from pathlib import Path

_PASSWD = Path("/etc/passwd")
_PEOPLE = range(1_000, 60_000)  # as of useradd: below are services, above are users of containers
_NO_LOGIN = frozenset({"nologin", "false", "sync", "halt", "shutdown", ""})


def other_users(passwd: Path = _PASSWD, own: int | None = None) -> list[str]:
    """Return the names of people other than this process's user (`own`: its number) that can log
    in, as far as the machine's own file lists them. Users of a directory service are not included.
    """
    own = os.getuid() if own is None else own
    try:
        lines = passwd.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [name for line in lines if (name := _person(line, own)) is not None]


def _person(line: str, own: int) -> str | None:
    name, *rest = line.split(":")
    if len(rest) != 6 or not rest[1].isascii() or not rest[1].isdigit():
        return None
    is_other = int(rest[1]) in _PEOPLE and int(rest[1]) != own
    return name if is_other and rest[5].rpartition("/")[2] not in _NO_LOGIN else None
