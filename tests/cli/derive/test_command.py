"""Arguments, settings and groups of `flexcapture derive`."""

from pydantic import SecretStr

from cli.derive.command import without_secrets
from pipeline.runtime.settings import Settings


def test_it_has_no_credentials_of_twilio() -> None:
    """Only Kafka can be reached with a derivation's settings."""
    secret = SecretStr("s" * 32)
    settings = Settings(
        kafka_bootstrap_servers="h:1",
        kafka_sasl_password=secret,
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token=secret,
        twilio_api_key_sid="SK" + "0" * 32,
        twilio_api_key_secret=secret,
        ticket_secret=secret,
        database_url="sqlite://",
        recordings_url="file:///r",
        voice_channels=frozenset({"v"}),
    )
    kept = without_secrets(settings)
    assert kept.rest_credentials is None
    assert () == kept.auth_tokens == kept.ticket_secrets
    assert (None, None) == (kept.database_url, kept.recordings_url)
    assert ("h:1", secret) == (kept.kafka_bootstrap_servers, kept.kafka_sasl_password)
    assert frozenset({"v"}) == kept.voice_channels
