"""Which settings each role gets."""

import pytest

from pipeline.runtime.role_settings import OF_COMMANDS, OF_UP, environment_of, settings_of
from pipeline.runtime.secret_settings import SECRETS
from pipeline.runtime.settings import PREFIX, Role, Settings

LONG = "x" * 32


def environment() -> dict[str, str]:
    """Return an environment with all settings, those of AWS, and others."""
    names = [
        name.upper() for name, field in Settings.model_fields.items() if not field.validation_alias
    ]
    ours = {PREFIX + name: "x" for name in names}
    files = {f"{PREFIX}{name.upper()}_FILE": "x" for name in SECRETS}
    aws = {"AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "x"}
    return ours | files | aws | {"PATH": "/bin"}


SECRET_OF: dict[str, set[Role]] = {
    "TWILIO_AUTH_TOKEN": {
        Role.TWILIO_ADAPTER,
        Role.GATEWAY,
        Role.RETRIEVER,
        Role.RECONCILER,
    },
    "TWILIO_API_KEY_SECRET": {Role.TWILIO_ADAPTER, Role.RETRIEVER, Role.RECONCILER},
    "RECORDING_PRIVATE_KEY": {Role.RETRIEVER},
    "TICKET_SECRET": {Role.TWILIO_ADAPTER, Role.GATEWAY},
    "CONSOLE_TOKEN": {Role.CONSOLE},
    "DATABASE_URL": {Role.CONSOLIDATOR, Role.CONSOLE},
    "SCHEMA_REGISTRY_URL": set(),
}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_gets_no_secret_that_it_does_not_need(role: Role) -> None:
    """Neither the variable, nor the one that names its file, nor the credentials of AWS."""
    got = environment_of(role, environment(), Settings())
    for name, roles in SECRET_OF.items():
        expected = role in roles
        assert expected == (PREFIX + name in got) == (f"{PREFIX}{name}_FILE" in got)
    with_aws = {Role.BRIDGE, Role.RECORDER, Role.CONSOLE, Role.LANDER, Role.RETRIEVER}
    assert ("AWS_SECRET_ACCESS_KEY" in got) == (role in with_aws)
    assert "/bin" == got["PATH"]
    assert f"{PREFIX}KAFKA_SASL_PASSWORD" in got


def test_with_secrets_of_its_own_the_adapter_does_not_get_the_auth_token() -> None:
    """It makes requests with the API key, and tickets with the ticket secret."""
    settings = Settings(twilio_api_key_secret="s", ticket_secret=LONG)
    assert "TWILIO_AUTH_TOKEN" not in settings_of(Role.TWILIO_ADAPTER, settings)
    assert "TWILIO_AUTH_TOKEN" in settings_of(Role.GATEWAY, settings)


def test_each_setting_belongs_to_a_role() -> None:
    """A new setting that no role gets would have no effect under `up`."""
    owned = {name for role in Role for name in settings_of(role, Settings())} | OF_UP | OF_COMMANDS
    for name, field in Settings.model_fields.items():
        if not field.validation_alias and not name.startswith("kafka_"):
            assert name.upper() in owned
