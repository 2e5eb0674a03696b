"""The arguments of `flexcapture twilio`."""

import argparse
from pathlib import Path

import pytest

from cli.twilio.arguments import add


def parsed(*arguments: str) -> argparse.Namespace:
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    return parser.parse_args(["twilio", *arguments])


@pytest.mark.parametrize("action", ["setup", "teardown", "doctor"])
def test_each_action_finds_its_installation_by_a_state_directory(action: str) -> None:
    """Or by the settings."""
    assert (action, None) == (parsed(action).action, parsed(action).state_dir)
    assert Path("x") == parsed(action, "--state-dir", "x").state_dir


def test_changes_of_aws_and_trials_are_asked_for() -> None:
    """By default AWS is left alone, and the steps are done."""
    for action in ("setup", "teardown"):
        args = parsed(action)
        assert (False, False) == (args.aws, args.dry_run)
        args = parsed(action, "--aws", "--dry-run")
        assert (True, True) == (args.aws, args.dry_run)
    assert (False, True) == (parsed("teardown").yes, parsed("teardown", "--yes").yes)


@pytest.mark.parametrize(
    ("given", "save"), [([], None), (["--save"], True), (["--no-save"], False)]
)
def test_results_are_saved_if_there_is_a_database_unless_the_option_decides(
    given: list[str], save: bool | None
) -> None:
    """None: by default."""
    args = parsed("doctor", *given, "--json", "--metrics", "m")
    assert (save, True, Path("m")) == (args.save, args.json, args.metrics)


@pytest.mark.parametrize("arguments", [[], ["setup", "--yes"], ["doctor", "--aws"], ["check-call"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """Exit status 2."""
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    assert 2 == ended.value.code
