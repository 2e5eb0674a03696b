"""The arguments of `flexcapture schemas`."""

from pathlib import Path

import pytest

from cli.main import parser


def test_the_arguments() -> None:
    """Each action has its own."""
    asked = parser().parse_args(["schemas", "register", "--assigned-ids", "--state-dir", "d"])
    assert ("register", True, Path("d")) == (asked.action, asked.assigned_ids, asked.state_dir)
    assert not parser().parse_args(["schemas", "register"]).if_configured
    assert Path("out") == parser().parse_args(["schemas", "export", "out"]).directory
    assert "check" == parser().parse_args(["schemas", "check"]).action


@pytest.mark.parametrize("wrong", [["schemas"], ["schemas", "export"], ["schemas", "drop"]])
def test_wrong_arguments_are_refused(wrong: list[str]) -> None:
    """Without an action or its argument, or with another action."""
    with pytest.raises(SystemExit):
        parser().parse_args(wrong)
