"""`python -m tools.wording [PATH...]`: count phrases that make the project's English hard to read.

The counted texts are comments, docstrings and other string literals of three words or more in
Python files, and the whole text of documents, schemas, templates and configuration files. The
exit status is 1 if a pattern occurs more often in an area than `LIMITS` allows. With paths, print
each occurrence in these files instead.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PATTERNS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)
    for name, pattern in {
        "who, whose": "who|whoever|whom|whose",
        "nobody": "nobody|somebody|everybody|anybody",
        "tell, told": "tell|tells|telling|told",
        "what is": "what (?:is|was|are|were|has|had|comes|came|waits|stands|follows|holds|remains"
        "|stays|happened|must|may|can|cannot|does|did|it|they|he|this|that|there|one|we)",
        "go on": "go on|goes on|going on|went on|gone on",
        "where": "where(?! to)",
        "he, his": "he|his|him|she|her|hers",
    }.items()
}
"""Names of the patterns, and their expressions. In plain technical English they are rare."""

LIMITS: Mapping[str, Mapping[str, float]] = {
    "code": {
        "who, whose": 2.3,
        "nobody": 0.6,
        "tell, told": 0.8,
        "what is": 2.4,
        "go on": 0.6,
        "where": 1.1,
        "he, his": 0.5,
    },
    "docs": {
        "who, whose": 4.0,
        "nobody": 0.3,
        "tell, told": 0.6,
        "what is": 1.3,
        "go on": 0.2,
        "where": 1.5,
        "he, his": 0.3,
    },
    "tests": {
        "who, whose": 1.2,
        "nobody": 1.3,
        "tell, told": 0.5,
        "what is": 0.4,
        "go on": 0.2,
        "where": 0.8,
        "he, his": 0.2,
    },
}
"""Area, pattern: how often it may occur in 10,000 words."""

TEXTS = {".md", ".avsc", ".html", ".yml", ".yaml", ".toml", ".cfg", ".ini", ".tf"}
WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
MIN_WORDS = 3


def area_of(path: Path) -> str:
    """Return the area that a file belongs to: `docs`, `tests` or `code`."""
    if path.suffix == ".md":
        return "docs"
    return "tests" if path.parts[0] in {"tests", "benchmarks"} else "code"


def texts_of(path: Path, source: str) -> Iterator[tuple[int, str]]:
    """Yield the texts of a file that are long enough, each with the number of its first line."""
    for line, text in _every_text(path, source):
        if len(WORD.findall(text)) >= MIN_WORDS:
            yield line, text


def _every_text(path: Path, source: str) -> Iterator[tuple[int, str]]:
    if path.suffix != ".py":
        yield from enumerate(source.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def found_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield the patterns that occur in a text, each with what matched."""
    for name, pattern in PATTERNS.items():
        for match in pattern.finditer(text):
            yield name, match.group()


def files() -> list[Path]:
    """Return the text files under version control, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - the developer's own git
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    paths = map(Path, filter(None, listed.stdout.split("\0")))
    return [p for p in paths if p.suffix in {".py", *TEXTS} and (ROOT / p).is_file()]


def rates() -> dict[str, dict[str, float]]:
    """Return how often each pattern occurs in 10,000 words of each area."""
    words: Counter[str] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    for path in files():
        for _, text in texts_of(path, (ROOT / path).read_text("utf-8")):
            words[area_of(path)] += len(WORD.findall(text))
            found.update((area_of(path), name) for name, _ in found_in(text))
    return {
        area: {name: 10_000 * found[area, name] / total for name in PATTERNS}
        for area, total in words.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Check the limits, or print the occurrences in some files."""
    if arguments:
        for path in map(Path, arguments):
            _print_occurrences(path)
        return 0
    status = 0
    for area, of_area in sorted(rates().items()):
        for name, rate in of_area.items():
            limit = LIMITS.get(area, {}).get(name, 0.0)
            if round(rate, 1) > limit:
                print(f"{area}: {name!r} {rate:.1f} times in 10,000 words, at most {limit:g}")
                status = 1
    if status:
        print("list the places with: python -m tools.wording FILE...")
    return status


def _print_occurrences(path: Path) -> None:
    for line, text in texts_of(path, path.read_text("utf-8")):
        for name, match in found_in(text):
            print(f"{path}:{line}: {name}: {match}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
