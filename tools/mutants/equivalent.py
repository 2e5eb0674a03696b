"""The mutations that change no behaviour: `equivalent.toml`, each with the reason."""

import tomllib
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("equivalent.toml")

Key = tuple[str, str, str, str]


@cache
def equivalent_keys() -> frozenset[Key]:
    """Return the keys of the mutations listed as equivalent."""
    entries = tomllib.loads(FILE.read_text())["mutation"]
    return frozenset((e["module"], e["function"], e["was"], e["becomes"]) for e in entries)
