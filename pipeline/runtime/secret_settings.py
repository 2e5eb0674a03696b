"""Settings that are secrets: read from files, and two values of each during a rotation."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

SECRETS = (
    "kafka_sasl_password",
    "kafka_ssl_key_password",
    "twilio_auth_token",
    "twilio_api_key_secret",
    "ticket_secret",
    "console_token",
    "recording_private_key",
    "database_url",
    "schema_registry_url",
)
"""Each may come from the file named by `..._FILE`. The two URLs may contain a password."""
FILE_SUFFIX = "_FILE"
MIN_TICKET_SECRET = 32


def secrets_from_files(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the secrets in the files named by the environment's `..._FILE` variables, by the name
    of their setting. White space at the end of a file is ignored. Raise `ValueError` for a file
    that cannot be used, and for a secret that is set twice."""
    found = {}
    for name in SECRETS:
        variable = prefix + name.upper()
        path = environment.get(variable + FILE_SUFFIX)
        if not path:
            continue
        if environment.get(variable):
            raise ValueError(f"{variable} and {variable}{FILE_SUFFIX} are both set: use one")
        found[name] = _read(variable + FILE_SUFFIX, Path(path))
    return found


def several(secret: SecretStr | None) -> tuple[str, ...]:
    """Return the values of a secret, which may be two with a comma between them: the one in use
    first, then one that is still accepted."""
    if secret is None:
        return ()
    values = (value.strip() for value in secret.get_secret_value().split(","))
    return tuple(value for value in values if value)


def checked_ticket_secret(secret: SecretStr) -> SecretStr:
    """Return the secret. Raise `ValueError` without the secret in its text."""
    values = several(secret)
    if not values or any(len(value) < MIN_TICKET_SECRET for value in values):
        raise ValueError(
            f"it must have at least {MIN_TICKET_SECRET} characters; `flexcapture console token` "
            "creates such a text"
        )
    return secret


def _read(variable: str, path: Path) -> str:
    try:
        text = path.read_text("utf-8").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{variable}: {path} cannot be read: {error}") from error
    if not text:
        raise ValueError(f"{variable}: {path} is empty")
    return text
