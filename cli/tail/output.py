"""Write records to standard output: JSON, or lines, in colours on a terminal."""

import os
import sys
from collections.abc import Callable, Sequence

from cli.tail.decoding import Shown
from cli.tail.formatting import TailLine, as_json, as_line

Write = Callable[[Sequence[Shown]], None]

_RESET, _DIM, _BOLD, _RED = "\x1b[0m", "\x1b[2m", "\x1b[1m", "\x1b[31m"


def output(*, in_json: bool) -> Write:
    """Return the function that writes records. It writes whole lines, at once."""
    if in_json:
        return lambda records: _write(b"".join(as_json(each) for each in records))
    form = _coloured if _has_colours() else str
    return lambda records: _write(
        "".join(f"{form(as_line(each))}\n" for each in records).encode(errors="backslashreplace")
    )


def close_quietly() -> None:
    """Replace standard output after its reader has closed the pipe: Python would report an error at
    its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _has_colours() -> bool:
    """Return whether to write colours: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def _coloured(line: TailLine) -> str:
    kind = f"{_RED if line.is_error else _BOLD}{line.type}{_RESET}"
    before = f"{_DIM}{line.time}  {line.place}{_RESET}"
    return f"{before}  {line.key}  {kind}  {line.detail}".rstrip()


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
