"""The arguments of `flexcapture topics`."""

import argparse
from pathlib import Path

import pytest

from cli.topics.arguments import add


def parsed(*arguments: str) -> argparse.Namespace:
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    return parser.parse_args(["topics", *arguments])


@pytest.mark.parametrize("action", ["check", "apply"])
def test_both_actions_find_kafka_by_a_state_directory(action: str) -> None:
    """Or by the settings."""
    assert (action, None) == (parsed(action).action, parsed(action).state_dir)
    assert Path("x") == parsed(action, "--state-dir", "x").state_dir


def test_only_apply_can_be_tried() -> None:
    """`check` changes nothing in any case. One of them must be given."""
    assert (False, True) == (parsed("apply").dry_run, parsed("apply", "--dry-run").dry_run)
    for wrong in (["check", "--dry-run"], []):
        with pytest.raises(SystemExit) as ended:
            parsed(*wrong)
        assert 2 == ended.value.code
