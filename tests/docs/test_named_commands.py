"""Documents show commands, metrics, alarms and reasons that exist."""

import re
import shlex
from pathlib import Path

import pytest

from cli.parser import parser
from pipeline.contacts import reasons

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT)
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if page.name != "CHANGELOG.md"
)
_BLOCK = re.compile(r"^( *)```(.*)\n((?s:.*?))^\1```", re.MULTILINE)
_COMMAND = re.compile(r"^\s*(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?flexcapture (.*)$")
_METRIC = re.compile(r"\bflexcapture_(?!schemas\b)[a-z_]+[a-z]\b")
_PACKAGES = ("agents", "bridge", "cli", "console", "gateway", "infra", "pipeline")


def _commands(page: Path) -> list[str]:
    text = (ROOT / page).read_text().replace("\\\n", " ")
    blocks = "\n".join(body for _, kind, body in _BLOCK.findall(text) if kind in ("", "sh"))
    indented = re.findall(r"^ {4}\S.*$", text, re.MULTILINE)
    lines = [*blocks.splitlines(), *indented]
    found = (match.group(1) for line in lines if (match := _COMMAND.match(line)))
    return [command for command in found if "..." not in command]


COMMANDS = sorted({(str(page), command) for page in PAGES for command in _commands(page)})


def test_commands_are_found() -> None:
    """Enough of them that the pattern must have found them."""
    assert len(COMMANDS) > 12


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_each_command_is_valid(page: str, command: str) -> None:
    """The parser takes its words and options. A capital letter stands for a number."""
    words = shlex.split(command.partition(";")[0], comments=True)
    parser().parse_args(["7" if word == "N" else word for word in words])


def test_each_metric_that_is_named_is_declared() -> None:
    """Prometheus adds `_total` to the name of a counter."""
    code = "".join(
        path.read_text() for package in _PACKAGES for path in (ROOT / package).rglob("*.py")
    )
    declared = set(re.findall(r'"(flexcapture_[a-z_]+)"', code))
    named = {name for page in PAGES for name in _METRIC.findall((ROOT / page).read_text())}
    assert len(named) > 50
    assert set() == {n for n in named if not {n, n.removesuffix("_total")} & declared}


def test_each_alarm_that_is_named_exists() -> None:
    """With the prefix that all alarms have."""
    rules = (ROOT / "infra/deploy/prometheus/alarms.yml").read_text()
    alarms = set(re.findall(r"alert: (\w+)", rules))
    texts = [(ROOT / page).read_text() for page in PAGES]
    assert set() == {n for text in texts for n in re.findall(r"`(Flexcapture\w+)`", text)} - alarms


def test_each_reason_of_a_gap_has_a_check() -> None:
    """Those that the code gives, each once, and no other."""
    page = (ROOT / "docs/howto/why-is-a-recording-missing.md").read_text()
    table = page.partition("| gap's reason | check |")[2].partition("\n\n")[0]
    given = {reasons._SHOWN_AS.get(r, r) for r in (*reasons._STARTS, *reasons._ENDS)}
    assert sorted(given) == sorted(re.findall(r"^ *\| `([a-z-]+)` \|", table, re.MULTILINE))
