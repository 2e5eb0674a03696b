"""The command line: usage, and that every role is there."""

from importlib import import_module
from inspect import iscoroutinefunction

import pytest

from pipeline.cli import ROLE_MODULES, main, parser, root_cause
from pipeline.settings import Role


@pytest.mark.parametrize("role", Role)
def test_each_role_can_be_run(role: Role) -> None:
    """Every role is a command, and its module has the coroutine that the command runs."""
    assert role == parser().parse_args([role.value]).command
    assert iscoroutinefunction(import_module(ROLE_MODULES[role]).run)


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["demo", "--calls", "0"], ["demo", "--calls", "x"], ["up", "x"]]
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    """What is no command, or a wrong argument, ends with status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert 2 == ended.value.code


def test_a_wrong_setting_is_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A role refuses a wrong setting with status 2 and one line that names it."""
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.setenv("FLEXCAPTURE_HTTP_LISTEN", "here")
    assert 2 == main(["tracker"])
    assert "FLEXCAPTURE_HTTP_LISTEN" in capsys.readouterr().err


def test_the_cause_of_a_group_is_its_first_error() -> None:
    """What is told of a group of errors is an error, not the group."""
    error = ValueError("why")
    assert error is root_cause(ExceptionGroup("outer", [ExceptionGroup("inner", [error])]))
