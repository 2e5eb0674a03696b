"""What the rebuilding commands print alike."""

from collections.abc import Sequence

_SHOWN = 20


def told_list(what: str, lines: Sequence[str]) -> None:
    """Prints how many there are, what they are, and the first of them; nothing where none are."""
    if lines:
        print(f"{len(lines)}: {what}")
        print("".join(f"  {line}\n" for line in lines[:_SHOWN]), end="")
        if len(lines) > _SHOWN:
            print(f"  and {len(lines) - _SHOWN} more")
