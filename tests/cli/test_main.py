"""The command line: what each command refuses, and with which status."""

from pathlib import Path

import pytest

from cli.main import main


def test_a_wrong_setting_is_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A role refuses a wrong setting with status 2 and one line that names it."""
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.setenv("FLEXCAPTURE_HTTP_LISTEN", "here")
    assert 2 == main(["tracker"])
    assert "FLEXCAPTURE_HTTP_LISTEN" in capsys.readouterr().err


def test_a_rebuild_needs_a_kafka(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without a configured Kafka or a state directory the status is 2, with a missing directory 1.
    No directory is created."""
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.chdir(tmp_path)
    assert 2 == main(["rebuild", "tracker"])
    assert "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS is not set" in capsys.readouterr().err
    assert 1 == main(["rebuild", "tracker", "--state-dir", "nowhere"])
    assert "no `flexcapture up` runs with" in capsys.readouterr().err
    monkeypatch.setenv("FLEXCAPTURE_RECORDINGS_URL", (tmp_path / "kept").as_uri())
    recordings = ["rebuild", "recordings", "--from"]
    for arguments, wrong in (
        (["beginning", "--to", "kept"], "is the recordings store itself"),
        (["beginning", "--to", "ftp://x"], "neither file:///directory nor s3://"),
        (["2026-01-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z", "--check"], "later than"),
        (["beginning", "--to", "x"], "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS is not set"),
    ):
        assert 2 == main([*recordings, *arguments])
        assert wrong in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--until", "2026-01-01T00:00:00Z"], "--replay-from"),
        (["--replay-from", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"], "--until"),
        (["--replay-from", "2999-01-01T00:00:00Z"], "in the future"),
    ],
)
def test_a_replay_of_no_period_is_status_2(
    arguments: list[str],
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A replay needs a beginning that has been and an end after it; it says which is wrong."""
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    assert 2 == main(["bridge", *arguments])
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("name", ["live", "a b", ""])
def test_a_replay_has_a_name_of_its_own(name: str) -> None:
    """Not the live bridge's, nor one that Kafka does not take."""
    with pytest.raises(SystemExit) as ended:
        main(["bridge", "--replay-from", "2026-01-01T00:00:00Z", "--checkpoint-name", name])
    assert 2 == ended.value.code


@pytest.mark.parametrize("start", ["earliest", "2026-01-01", "12", "2999-01-01T00:00:00Z"])
def test_a_wrong_start_is_refused(
    start: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is asked of Kafka or Kinesis."""
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.setenv("FLEXCAPTURE_KINESIS_START", start)
    assert 2 == main(["bridge"])
    assert "FLEXCAPTURE_KINESIS_START" in capsys.readouterr().err


def test_a_console_token_is_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new one each time, alone on its line, with any configuration."""
    monkeypatch.setenv("FLEXCAPTURE_CONSOLE_TOKEN", "short")
    assert [0, 0] == [main(["console", "token"]) for _ in range(2)]
    first, second = capsys.readouterr().out.splitlines()
    assert first != second
    assert len(first) >= 32


def test_a_short_console_token_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 2, with the setting's name and the command that makes a good one."""
    monkeypatch.setenv("FLEXCAPTURE_CONSOLE_TOKEN", "x" * 31)
    assert 2 == main(["console"])
    errors = capsys.readouterr().err
    assert "FLEXCAPTURE_CONSOLE_TOKEN: it must have at least 32 characters" in errors
    assert "flexcapture console token" in errors
