"""Messages of commands on the standard error, and their exit statuses."""

import sys

import structlog

OK, FAILED, WRONG = 0, 1, 2
"""Exit statuses: clean, failure, wrong usage or settings."""


def log_to_stderr() -> None:
    """Write log messages to the standard error. Roles configure their logs again."""
    # The stream is looked up for each message, because it may be replaced.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def print_message(text: object) -> None:
    """Print a message in one line. The standard output is for results."""
    print(f"flexcapture: {text}", file=sys.stderr, flush=True)


def print_error(text: object, status: int = FAILED) -> int:
    """Print an error in one line. Return the exit status."""
    print_message(text)
    return status


def root_cause(error: BaseException) -> BaseException:
    """Return the first error in an exception group that is not a group itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
