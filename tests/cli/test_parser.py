"""The commands and their arguments."""

from inspect import iscoroutinefunction

import pytest

from cli.main import main
from cli.parser import parser
from cli.roles import ROLES
from pipeline.runtime.settings import Role


@pytest.mark.parametrize("role", Role)
def test_each_role_can_be_run(role: Role) -> None:
    """Every role is a command, and its module has the coroutine that the command runs."""
    assert role == parser().parse_args([role.value]).command
    assert iscoroutinefunction(ROLES[role].load())


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["demo", "--calls", "0"],
        ["demo", "--calls", "x"],
        ["up", "x"],
        ["call"],
        ["call", "WT1"],
        ["policy"],
        ["policy", "refuse"],
        ["topics"],
        ["topics", "delete"],
        ["topics", "check", "--dry-run"],
        ["rebuild"],
        ["rebuild", "recorder"],
        ["rebuild", "recordings"],
        ["rebuild", "recordings", "--from", "beginning"],
        ["rebuild", "recordings", "--from", "yesterday", "--to", "x"],
        ["rebuild", "recordings", "--from", "beginning", "--to", "x", "--check"],
        ["rebuild", "tracker", "--from", "beginning"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    """An unknown command or a wrong argument ends with status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert 2 == ended.value.code
