"""Secrets from files, two values of a secret, and the settings that each role gets."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.runtime.secret_settings import SECRETS, several
from pipeline.runtime.settings import PREFIX, Settings, SettingsError, load

LONG = "x" * 32
LETTERS = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=",")
VALUES = st.text(LETTERS, min_size=1)


@pytest.mark.parametrize("name", SECRETS)
def test_each_secret_can_come_from_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newline that editors write at the end does not belong to it."""
    value = {"database_url": "sqlite://", "schema_registry_url": "https://u:pw@h"}.get(name, LONG)
    path = tmp_path / "secret"
    path.write_text(f"{value}\n")
    monkeypatch.setenv(f"{PREFIX}{name.upper()}_FILE", str(path))
    monkeypatch.setenv(f"{PREFIX}KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    if name == "twilio_api_key_secret":
        monkeypatch.setenv(f"{PREFIX}TWILIO_API_KEY_SID", "SK" + "0" * 32)
    found = getattr(load(None), name)
    assert value == (found.get_secret_value() if isinstance(found, SecretStr) else found)


def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent, empty, or beside the variable itself: the error names the variable, never a value."""
    variable = f"{PREFIX}TWILIO_AUTH_TOKEN"
    path = tmp_path / "token"
    monkeypatch.setenv(f"{variable}_FILE", str(path))
    with pytest.raises(SettingsError, match=f"{variable}_FILE.*cannot be read"):
        load(None)
    path.write_text(" \n")
    with pytest.raises(SettingsError, match=f"{variable}_FILE.*empty"):
        load(None)
    path.write_text(LONG)
    monkeypatch.setenv(variable, "value-of-the-variable")
    with pytest.raises(SettingsError, match="both set") as refused:
        load(None)
    assert "value-of-the-variable" not in str(refused.value)
    assert LONG not in str(refused.value)


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_several_values_of_a_secret(values: list[str]) -> None:
    """The first is in use, the others are still accepted."""
    assert tuple(values) == several(SecretStr(", ".join(values)))


def test_an_api_key_takes_the_place_of_the_auth_token() -> None:
    """For requests; tickets are made with their own secret, else with the auth token."""
    account, key = "AC" + "1" * 32, "SK" + "2" * 32
    plain = Settings(twilio_account_sid=account, twilio_auth_token="new,old")
    assert (account, "new") == plain.rest_credentials
    assert ("new", "old") == plain.ticket_secrets == plain.auth_tokens
    with_key = Settings(
        twilio_account_sid=account,
        twilio_api_key_sid=key,
        twilio_api_key_secret="secret",
        ticket_secret=LONG,
    )
    assert (key, "secret") == with_key.rest_credentials
    assert (LONG,) == with_key.ticket_secrets
    assert () == with_key.auth_tokens


def test_half_an_api_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SID without its secret would silently fall back to the auth token."""
    monkeypatch.setenv(f"{PREFIX}TWILIO_API_KEY_SID", "SK" + "2" * 32)
    with pytest.raises(SettingsError, match="TWILIO_API_KEY_SECRET"):
        load(None)


def test_a_short_ticket_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two values counts, and none is repeated in the error."""
    monkeypatch.setenv(f"{PREFIX}TICKET_SECRET", f"{LONG},guessable")
    with pytest.raises(SettingsError, match="TICKET_SECRET") as refused:
        load(None)
    assert "guessable" not in str(refused.value)


@given(VALUES.filter(lambda text: not set(text) & set("/?#[]@:%")))
def test_a_registrys_password_is_not_sent_in_clear_text(password: str) -> None:
    """`http://` with credentials is refused beyond this machine; the password is not repeated."""
    for host in ("127.0.0.1:8081", "localhost:8081"):
        assert load(None, schema_registry_url=f"http://user:{password}@{host}")
    assert load(None, schema_registry_url=f"https://user:{password}@registry.example.com")
    assert load(None, schema_registry_url="http://registry.example.com")
    for url in ("http://{}@registry.example.com", "ftp://{}@registry.example.com"):
        with pytest.raises(SettingsError, match="SCHEMA_REGISTRY_URL") as refused:
            load(None, schema_registry_url=url.format(f"user:begin{password}end"))
        assert f"begin{password}end" not in str(refused.value)


def test_each_secret_is_listed_in_the_documentation() -> None:
    """docs/settings.md lists the settings that can come from a file."""
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()
    [listed] = [part for part in page.split("\n\n") if part.startswith("Every secret can come")]
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", listed))
    assert {name.upper() for name in SECRETS} == named
