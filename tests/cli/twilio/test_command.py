"""The actions of `flexcapture twilio` get their installation and their options."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from cli.twilio import command
from cli.twilio.arguments import add
from cli.twilio.command import run_action
from cli.twilio.doctor.command import DoctorOptions
from cli.twilio.setup.command import SetupRequest
from pipeline.runtime.endpoints import NotRunning
from pipeline.runtime.settings import Settings


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["doctor"], ("run_doctor", DoctorOptions())),
        (
            ["doctor", "--json", "--metrics", "m", "--no-save"],
            ("run_doctor", DoctorOptions(in_json=True, metrics=Path("m"), save=False)),
        ),
        (["setup"], ("run_setup", SetupRequest(False, False))),
        (["setup", "--dry-run", "--aws"], ("run_setup", SetupRequest(True, True))),
        (["teardown", "--yes"], ("run_teardown", SetupRequest(False, False, True))),
        (["teardown", "--aws"], ("run_teardown", SetupRequest(False, True, False))),
    ],
)
def test_an_action_gets_its_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], expected: Any
) -> None:
    """Its exit status is the command's."""
    done: list[Any] = []
    for name in ("run_doctor", "run_setup", "run_teardown"):
        monkeypatch.setattr(command, name, lambda _, o, name=name: done.append((name, o)) or 7)
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    asked = parser.parse_args(["twilio", *arguments])
    assert 7 == run_action(Settings(), asked, tmp_path)
    assert [expected] == done


def test_an_up_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    """If its directory was given."""
    asked = argparse.Namespace(action="setup", state_dir=tmp_path)
    with pytest.raises(NotRunning):
        run_action(Settings(), asked, tmp_path)
