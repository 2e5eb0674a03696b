"""Output shared by the rebuild commands."""

from collections.abc import Sequence

_SHOWN = 20


def print_list(what: str, lines: Sequence[str]) -> None:
    """Print the number of lines, a heading, and the first lines; nothing if there are none."""
    if lines:
        print(f"{len(lines)}: {what}")
        print("".join(f"  {line}\n" for line in lines[:_SHOWN]), end="")
        if len(lines) > _SHOWN:
            print(f"  and {len(lines) - _SHOWN} more")
