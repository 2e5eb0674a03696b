"""The result of a demo, and its settings in a file."""

from pathlib import Path

from simulator.result import write_private


def test_settings_are_written_for_the_owner_only(tmp_path: Path) -> None:
    """The settings that reach the demo's Twilio, as lines that a shell reads; written at each
    start."""
    path = tmp_path / "demo-twilio.env"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "secret"})
    lines = ["FLEXCAPTURE_TWILIO_ACCOUNT_SID=AC1", "FLEXCAPTURE_TWILIO_AUTH_TOKEN=secret"]
    assert (lines, 0o600) == (path.read_text().splitlines(), path.stat().st_mode & 0o777)
