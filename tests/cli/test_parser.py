"""The commands and their arguments."""

import pytest

from cli.main import main


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
