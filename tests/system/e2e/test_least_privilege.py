"""What other processes of the same user can see of a role under `up`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]
SECRETS = {
    "FLEXCAPTURE_TWILIO_AUTH_TOKEN": "a-token-that-can-be-found",
    "FLEXCAPTURE_CONSOLE_TOKEN": "a-console-token-that-can-be-found-again",
    "AWS_SECRET_ACCESS_KEY": "a-key-that-can-be-found",
}


def test_no_process_shows_a_secret_in_its_environment(tmp_path: Path) -> None:
    """Roles are forked, and the fork server's own environment is the one that the system shows."""
    environment = {
        **os.environ,
        **SECRETS,
        "PYTHONPATH": str(ROOT),
        "FLEXCAPTURE_TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
        "AWS_ACCESS_KEY_ID": "x",
    }
    command = [sys.executable, "-m", "cli.main", "up", "--state-dir", str(tmp_path / "state")]
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as up:
        try:
            assert up.stdout is not None
            assert any(line.strip() == "ready" for line in up.stdout)
            endpoints = json.loads((tmp_path / "state" / "endpoints.json").read_text())
            pids = [process["pid"] for role in endpoints["roles"].values() for process in role]
            shown = [Path(f"/proc/{pid}/environ").read_bytes().decode() for pid in pids]
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(60)
    assert len(shown) > 9
    assert [] == [secret for text in shown for secret in SECRETS.values() if secret in text]
