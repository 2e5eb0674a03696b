"""The actions of `flexcapture twilio` that concern the account's set-up."""

import argparse
from pathlib import Path

from cli.twilio.doctor.command import DoctorOptions, run_doctor
from cli.twilio.setup.command import SetupRequest, run_setup, run_teardown
from cli.twilio.target import target_of
from pipeline.runtime.settings import Settings


def run_action(settings: Settings, asked: argparse.Namespace, default: Path) -> int:
    """Run `setup`, `teardown` or `doctor`. Return the exit status. Raise `SettingsError` and
    `NotRunning`."""
    target = target_of(settings, asked.state_dir, default)
    if asked.action == "doctor":
        return run_doctor(target, DoctorOptions(asked.json, asked.metrics, asked.save))
    if asked.action == "setup":
        return run_setup(target, SetupRequest(asked.dry_run, asked.aws))
    return run_teardown(target, SetupRequest(asked.dry_run, asked.aws, asked.yes))
