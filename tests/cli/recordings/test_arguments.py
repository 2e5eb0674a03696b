"""The arguments of `flexcapture recordings`."""

import argparse
from pathlib import Path

import pytest

from cli.recordings.arguments import add


def parsed(*arguments: str) -> argparse.Namespace:
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    return parser.parse_args(["recordings", *arguments])


@pytest.mark.parametrize("number", [0, 23])
def test_the_loss_is_only_shown_by_default(number: int) -> None:
    """The partition is the one that the recorder reports."""
    args = parsed("restart", "--partition", str(number))
    assert (number, False, None) == (args.partition, args.yes, args.state_dir)
    args = parsed("restart", "--partition", "3", "--yes", "--state-dir", "x")
    assert (True, Path("x")) == (args.yes, args.state_dir)


@pytest.mark.parametrize("text", ["24", "-1", "x", "", "1.5"])
def test_other_partitions_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the range. One must be given."""
    with pytest.raises(SystemExit):
        parsed("restart", f"--partition={text}")
    assert "0 to 23" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parsed("restart")
