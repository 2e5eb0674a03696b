"""How clients authenticate to Kafka, and Kafka to them.

Settings that would send a secret in clear text, or silently send none, are refused when they are
loaded (`pipeline/runtime/settings.py`).
"""

import ssl
from pathlib import Path
from typing import Any

from pipeline.runtime.kafka_tokens import TokenProvider, UnusableProvider
from pipeline.runtime.settings import PREFIX, Settings, SettingsError


def client_arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments that connect any aiokafka client to the configured Kafka. Raise
    `SettingsError`."""
    servers = settings.kafka_bootstrap_servers
    if servers is None:
        raise SettingsError(
            f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS is not set: host:port of a Kafka broker"
        )
    protocol = settings.kafka_security_protocol
    arguments: dict[str, Any] = {"bootstrap_servers": servers, "security_protocol": protocol}
    if "SSL" in protocol:
        arguments["ssl_context"] = ssl_context(settings)
    if "SASL" in protocol:
        arguments |= _sasl_arguments(settings)
    return arguments


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """Return a context that accepts only a certificate for the requested host, signed by an
    authority of the CA file, or of the system. Raise `SettingsError`."""
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
    except OSError as error:
        raise _unusable("CAFILE", settings.kafka_ssl_cafile, "certificates", error) from error
    certificate, password = settings.kafka_ssl_certfile, settings.kafka_ssl_key_password
    if certificate is not None:
        secret = password.get_secret_value() if password else ""
        try:
            # A function, because without a passphrase OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate, settings.kafka_ssl_keyfile, lambda: secret)
        except OSError as error:
            what = (
                f"a certificate with its key in it, or in {PREFIX}KAFKA_SSL_KEYFILE; the "
                f"passphrase of an encrypted key is {PREFIX}KAFKA_SSL_KEY_PASSWORD"
            )
            raise _unusable("CERTFILE", certificate, what, error) from error
    return context


def _sasl_arguments(settings: Settings) -> dict[str, Any]:
    mechanism = settings.kafka_sasl_mechanism
    why = f"{PREFIX}KAFKA_SECURITY_PROTOCOL={settings.kafka_security_protocol} needs it"
    if mechanism != "OAUTHBEARER":
        return {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": settings.need("kafka_sasl_username", why),
            "sasl_plain_password": settings.need("kafka_sasl_password", why).get_secret_value(),
        }
    name = settings.need("kafka_sasl_token_provider", why)
    try:
        provider = TokenProvider.named(name, settings.region())
    except UnusableProvider as error:
        raise SettingsError(f"{PREFIX}KAFKA_SASL_TOKEN_PROVIDER: {error}") from error
    return {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": provider}


def _unusable(name: str, path: Path | None, what: str, error: OSError) -> SettingsError:
    return SettingsError(f"{PREFIX}KAFKA_SSL_{name}: {path} is no PEM file of {what} ({error})")
