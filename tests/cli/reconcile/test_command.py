"""Wrong periods are refused before anything is asked."""

import pytest

from cli.main import main


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("2026-11-29T12:00:00Z", "2026-11-29T12:00:00Z", "later than"),
        ("2026-11-29T12:00:00Z", "2026-11-29T11:00:00Z", "later than"),
        ("2026-01-01T00:00:00Z", "2026-11-29T12:00:00Z", "31 days"),
    ],
)
def test_a_wrong_period_is_refused(
    since: str,
    until: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Status 2, with the reason."""
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    assert 2 == main(["reconcile", "--from", since, "--to", until])
    assert message in capsys.readouterr().err


def test_missing_credentials_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, before Kafka is asked."""
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    status = main(["reconcile", "--from", "2026-11-29T12:00:00Z", "--to", "2026-11-29T13:00:00Z"])
    assert 2 == status
    assert "FLEXCAPTURE_TWILIO_ACCOUNT_SID" in capsys.readouterr().err
