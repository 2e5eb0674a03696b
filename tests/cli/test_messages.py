"""Messages of commands go to the standard error, so that the output has only results."""

import pytest
import structlog

from cli.messages import (
    FAILED,
    WRONG,
    log_to_stderr,
    print_error,
    print_message,
    root_cause,
)


def test_messages_are_not_in_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is one line with the program's name. An error also gives the exit status."""
    print_message("no dead letters")
    assert FAILED == print_error("Kafka cannot be used")
    assert WRONG == print_error(ValueError("no such topic"), WRONG)
    printed = capsys.readouterr()
    assert "" == printed.out
    assert [
        "flexcapture: no dead letters",
        "flexcapture: Kafka cannot be used",
        "flexcapture: no such topic",
    ] == printed.err.splitlines()


def test_the_cause_of_a_group_is_its_first_error() -> None:
    """A group of errors is reported by its first error."""
    error = ValueError("why")
    assert error is root_cause(ExceptionGroup("outer", [ExceptionGroup("inner", [error])]))


def test_log_messages_are_not_in_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads the output of `--json` would not understand them."""
    log_to_stderr()
    structlog.get_logger("reconciler").warning("events were never delivered")
    printed = capsys.readouterr()
    assert "" == printed.out
    assert "events were never delivered" in printed.err
