"""The arguments of `flexcapture twilio check-call`."""

import argparse
from pathlib import Path

import pytest

from cli.check_call.arguments import add
from cli.main import main

TO = "+15550100200"


def parsed(*arguments: str) -> argparse.Namespace:
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    return parser.parse_args(["check-call", *arguments])


def test_only_the_called_number_is_needed() -> None:
    """It is asked before a call is placed, unless that is agreed to."""
    args = parsed("--to", TO)
    assert (TO, None, False, False, None) == (
        args.to, args.caller, args.yes, args.json, args.state_dir,
    )  # fmt: skip
    args = parsed("--to", TO, "--from", "+15550100", "--yes", "--json", "--state-dir", "x")
    assert ("+15550100", True, True, Path("x")) == (
        args.caller, args.yes, args.json, args.state_dir,
    )  # fmt: skip


def test_numbers_are_written_without_separators() -> None:
    """As Twilio takes them."""
    assert TO == parsed("--to", "+1 555 0100-200").to


@pytest.mark.parametrize(
    "arguments",
    [
        ["twilio", "check-call"],
        ["twilio", "check-call", "--to", "5550100"],
        ["twilio", "check-call", "--to", "client:x"],
        ["twilio", "check-call", "--to", TO, "--from", "+1"],
        ["twilio"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Exit status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert 2 == ended.value.code
