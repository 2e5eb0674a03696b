"""The arguments of `flexcapture rebuild`, and the stores that they mean."""

import argparse
from pathlib import Path

import pytest

from cli.rebuild.arguments import Stores, add, print_list, stores
from pipeline.runtime.settings import Settings, SettingsError

DEFAULT = Path("/var/lib/flexcapture")


def parsed(*arguments: str) -> argparse.Namespace:
    """Return the arguments of the command. Times are integers here."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers(), int, str)
    return parser.parse_args(["rebuild", *arguments])


def recordings(*arguments: str) -> argparse.Namespace:
    """Return the arguments of `rebuild recordings`."""
    return parsed("recordings", *arguments)


def test_recordings_are_made_elsewhere_or_compared() -> None:
    """A beginning is needed; `beginning` is that of the log."""
    args = recordings("--from", "beginning", "--to", "x")
    assert (0, None, None, "x", False) == (
        args.since, args.until, args.task_sid, args.to, args.check,
    )  # fmt: skip
    args = recordings("--from", "5", "--until", "9", "--task-sid", "WT1", "--check")
    assert (5, 9, "WT1", True) == (args.since, args.until, args.task_sid, args.check)
    assert (False, True) == (parsed("tracker").check, parsed("tracker", "--check").check)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["recordings", "--to", "x"],
        ["recordings", "--from", "5"],
        ["recordings", "--from", "5", "--to", "x", "--check"],
        ["tracker", "--from", "5"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Exit status 2."""
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    assert 2 == ended.value.code


@pytest.mark.parametrize(
    ("settings", "state_dir", "own"),
    [
        (Settings(), None, "file:///var/lib/flexcapture/recordings"),
        (Settings(state_dir=Path("/a")), None, "file:///a/recordings"),
        (Settings(state_dir=Path("/a")), "/b", "file:///b/recordings"),
        (Settings(recordings_url="s3://bucket/x"), "/b", "s3://bucket/x"),
    ],
)
def test_a_comparison_is_with_the_recordings_store(
    settings: Settings, state_dir: str | None, own: str
) -> None:
    """That of the settings, or of the state directory."""
    more = [] if state_dir is None else ["--state-dir", state_dir]
    args = recordings("--from", "5", "--check", *more)
    assert Stores(None, own) == stores(settings, args, DEFAULT)


def test_the_target_is_a_directory_or_a_url(tmp_path: Path) -> None:
    """A relative directory is one of the current directory."""
    for given, target in (
        (str(tmp_path), tmp_path.as_uri()),
        ("s3://bucket/x", "s3://bucket/x"),
        ("x", (Path.cwd() / "x").as_uri()),
    ):
        args = recordings("--from", "5", "--to", given)
        assert target == stores(Settings(), args, DEFAULT).target


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "/var/lib/flexcapture/recordings"], "recordings store itself"),
        (["--to", "file:///var/lib/flexcapture/recordings/"], "recordings store itself"),
        (["--to", "ftp://host/x"], "--to"),
        (["--to", "x", "--until", "5"], "--until"),
    ],
)
def test_contradictory_arguments_are_refused(arguments: list[str], words: str) -> None:
    """The recorder's own store is never written to."""
    args = recordings("--from", "5", *arguments)
    with pytest.raises(SettingsError, match=words):
        stores(Settings(), args, DEFAULT)


def test_long_lists_are_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    """With the number of all. An empty one is not printed."""
    print_list("differ", [])
    print_list("differ", ["a", "b"])
    assert "2: differ\n  a\n  b\n" == capsys.readouterr().out
    print_list("differ", [str(n) for n in range(25)])
    lines = capsys.readouterr().out.splitlines()
    assert ("25: differ", "  19", "  and 5 more") == (lines[0], lines[-2], lines[-1])
