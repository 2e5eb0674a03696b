"""The roles as commands."""

from inspect import iscoroutinefunction

import pytest

from cli.parser import parser
from cli.roles import ROLES
from pipeline.runtime.settings import Role


@pytest.mark.parametrize("role", Role)
def test_each_role_can_be_run(role: Role) -> None:
    """Every role is a command, and its module has the coroutine that the command runs."""
    assert role == parser().parse_args([role.value]).command
    assert iscoroutinefunction(ROLES[role].load())
