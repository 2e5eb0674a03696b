"""The arguments of `flexcapture dead-letters`."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.dead_letters.arguments import DEFAULT_LIMIT, add, letter_id


def parsed(*arguments: str) -> argparse.Namespace:
    """Return the arguments of the command. Times and numbers are integers here."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers(), int, int)
    return parser.parse_args(["dead-letters", *arguments])


@given(st.integers(0, 23), st.integers(0, 2**40))
def test_an_id_is_partition_and_offset(partition: int, offset: int) -> None:
    """As the list shows it."""
    assert (partition, offset) == letter_id(f"{partition}-{offset}")


@pytest.mark.parametrize("text", ["", "3", "3-", "-3", "3-x", "3--1", "a-1", "3-1-2"])
def test_other_texts_are_no_ids(text: str) -> None:
    """The error shows the form."""
    with pytest.raises(argparse.ArgumentTypeError, match="3-17"):
        letter_id(text)


def test_all_letters_are_meant_by_default() -> None:
    """At most so many. Only those not put back before are put back."""
    args = parsed("retry")
    assert ([], None, None, None, DEFAULT_LIMIT, False, False) == (
        args.ids, args.reason, args.task_sid, args.since, args.limit, args.again, args.dry_run,
    )  # fmt: skip
    args = parsed("retry", "3-17", "0-1", "--again", "--dry-run", "--limit", "5")
    assert ([(3, 17), (0, 1)], True, True, 5) == (args.ids, args.again, args.dry_run, args.limit)


@pytest.mark.parametrize(
    "arguments", [[], ["show"], ["show", "x"], ["list", "3-1"], ["show", "3-1", "--reason", "x"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Exit status 2."""
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    assert 2 == ended.value.code
