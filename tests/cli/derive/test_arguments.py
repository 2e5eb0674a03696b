"""The arguments of `flexcapture derive`."""

from pathlib import Path
from typing import Any

import pytest

from cli.derive.arguments import ROLE_NAMES, checked
from cli.derive.roles import ROLES
from cli.parser import parser
from pipeline.runtime.settings import Settings, SettingsError

LIVE = Settings(topic_prefix="prod.", kafka_bootstrap_servers="h:1")


def parsed(*arguments: str) -> Any:
    return parser().parse_args(["derive", *arguments])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "--to PREFIX is missing"),
        (["--to", "prod."], "live topics"),
        (["--to", "pro"], "live topics"),
        (["compare", "prod."], "live topics"),
        (["--to", "a.", "--until", "1790000000005", "--follow"], "has no end"),
        (["--to", "a.", "--from", "1790000000009", "--until", "1790000000005"], "later"),
    ],
)
def test_contradictory_arguments_are_refused(arguments: list[str], problem: str) -> None:
    """Nothing is read then."""
    with pytest.raises(SettingsError, match=problem):
        checked(parsed(*arguments), LIVE)


def test_arguments_are_read() -> None:
    """All roles by default; `beginning` is not a time; an action has a prefix of its own."""
    asked = parsed("--to", "a.", "--from", "beginning", "--until", "1790000000009")
    checked(asked, LIVE)
    assert (ROLE_NAMES, None, 1_790_000_000_009) == (asked.roles, asked.since, asked.until)
    assert set(ROLE_NAMES) == set(ROLES)
    assert ("resolver", "tracker") == parsed("--to", "a", "--roles", "resolver, tracker").roles
    drop = parsed("drop", "a.", "--yes", "--state-dir", "d")
    assert ("a.", True, Path("d")) == (drop.prefix, drop.yes, drop.state_dir)
    for wrong in (["--to", "a b"], ["--to", "a", "--roles", "gateway"], ["drop"]):
        with pytest.raises(SystemExit):
            parsed(*wrong)
