"""The tokens of the console."""

import pytest

from pipeline.runtime.console_settings import new_console_token
from pipeline.runtime.settings import SettingsError, load


def test_a_token_that_is_made_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is another, and long enough."""
    tokens = {new_console_token() for _ in range(100)}
    assert 100 == len(tokens)
    monkeypatch.setenv("FLEXCAPTURE_CONSOLE_TOKEN", tokens.pop())
    load(None)


def test_a_refused_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a wrong token has only its name."""
    monkeypatch.setenv("FLEXCAPTURE_CONSOLE_TOKEN", "my secret")
    with pytest.raises(SettingsError) as refused:
        load(None)
    assert "my secret" not in str(refused.value)
