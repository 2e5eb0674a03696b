"""The settings: refused values, and the errors for them."""

from pathlib import Path

import pytest

from infra.up import check
from pipeline.runtime.settings import PREFIX, Settings, SettingsError, load

DOCS = Path(__file__).parents[3] / "docs" / "settings.md"


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "nonsense", "host:port"),
        ("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092,", "host:port"),
        ("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "kafka:0", "host:port"),
        ("FLEXCAPTURE_PROCESSES", "tracker=²", "ROLE=N"),
        ("FLEXCAPTURE_RECORD_INBOUND", "maybe", "true or false"),
        ("FLEXCAPTURE_VOICE_CHANNELS", "voice,", "parted by commas"),
        ("FLEXCAPTURE_VOICE_CHANNELS", " , ", "parted by commas"),
        ("FLEXCAPTURE_VOICE_CHANNELS", "voice;custom1", "parted by commas"),
        ("FLEXCAPTURE_VOICE_CHANNELS", "voice custom1", "parted by commas"),
        ("FLEXCAPTURE_CONSOLE_TOKEN", "two words", "without spaces"),
        ("FLEXCAPTURE_CONSOLE_TOKEN", "x" * 31, "at least 32 characters"),
        ("FLEXCAPTURE_TRUSTED_PROXIES", "10.0.0.1,proxy", "'proxy' is neither an IP address"),
        ("FLEXCAPTURE_TRUSTED_PROXIES", "*", "neither an IP address"),
        ("FLEXCAPTURE_DATABASE_URL", "oracle://host/x", "postgresql://"),
        ("AWS_ENDPOINT_URL_KINESIS", "nonsense", "http://"),
        ("FLEXCAPTURE_TWILIO_API_URL", "http://twilio.example.com", "https://"),
        ("FLEXCAPTURE_TWILIO_API_URL", "http://127.0.0.1.example.com", "https://"),
        ("FLEXCAPTURE_TWILIO_API_URL", "http://user@10.0.0.1:8080", "https://"),
        ("FLEXCAPTURE_GATEWAY_SIGNED_URL", "gateway.example.com/media", "https://"),
        ("FLEXCAPTURE_GATEWAY_SIGNED_URL", "wss://gateway.example.com/media?x=1", "query"),
        ("FLEXCAPTURE_CHECK_CALL_FROM", "5550100", "15550100200"),
        ("FLEXCAPTURE_FILE_MODE", "0644", "0640"),
        ("FLEXCAPTURE_FILE_MODE", "640", "0640"),
        ("FLEXCAPTURE_KAFKA_SASL_MECHANISM", "GSSAPI", "OAUTHBEARER"),
    ],
)
def test_a_wrong_value_is_reported_with_a_valid_one(
    variable: str, value: str, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is started, a wrong value is refused by its name."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable}: .*{right}"):
        check(load(None))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"security_protocol": "SASL_SSL"}, "SASL_USERNAME"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "u"}, "SASL_PASSWORD"),
        ({"sasl_username": "u", "sasl_password": "secret"}, "SASL_USERNAME .*SECURITY_PROTOCOL"),
        ({"sasl_password": "secret"}, "SASL_PASSWORD .*SECURITY_PROTOCOL"),
        ({"security_protocol": "SSL", "sasl_username": "u"}, "SASL_USERNAME .*SASL_SSL"),
        (
            {
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_username": "u",
                "sasl_password": "secret",
            },
            "SASL_MECHANISM: PLAIN .*SASL_SSL",
        ),
        (
            {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "OAUTHBEARER"},
            "SASL_MECHANISM: OAUTHBEARER .*SASL_SSL",
        ),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"},
            "SASL_TOKEN_PROVIDER",
        ),
        (
            {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "OAUTHBEARER",
                "sasl_token_provider": "no.such:thing",
            },
            "SASL_TOKEN_PROVIDER",
        ),
        ({"security_protocol": "SSL", "ssl_cafile": "/no/such/file"}, "SSL_CAFILE"),
        ({"security_protocol": "SSL", "ssl_certfile": "/no/such/file"}, "SSL_CERTFILE"),
    ],
)
def test_a_kafka_that_cannot_be_logged_into_is_refused(
    settings: dict[str, str], named: str
) -> None:
    """What its security protocol needs, and is missing, is named."""
    kafka = {f"kafka_{name}": value for name, value in settings.items()}
    with pytest.raises(SettingsError, match=f"^FLEXCAPTURE_KAFKA_{named}") as refused:
        check(load(None, kafka_bootstrap_servers="kafka:9092", **kafka))
    assert "secret" not in str(refused.value).replace("the secret", "")


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_password_that_is_not_sent_needs_no_tls(protocol: str) -> None:
    """SCRAM proves the password without sending it."""
    kafka = {"security_protocol": protocol, "sasl_username": "u", "sasl_password": "secret"}
    named = {f"kafka_{name}": value for name, value in kafka.items()}
    check(load(None, kafka_bootstrap_servers="k:1", kafka_sasl_mechanism="SCRAM-SHA-512", **named))


@pytest.mark.parametrize(
    "url", ["https://twilio.example.com", "http://127.0.0.1:8", "http://[::1]:8"]
)
def test_twilio_is_reached_by_tls_or_on_this_machine(url: str) -> None:
    """The credentials go with every request."""
    assert url == load(None, twilio_api_url=url).twilio_api_url


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"ann@example.com\nnonsense\n", "line 2: 'nonsense'"), (b"\xff", "read")],
)
def test_a_wrong_list_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    """An invalid list of monitored agents is reported before anything is started."""
    path = tmp_path / "agents"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"^FLEXCAPTURE_MONITORED_AGENTS: .*{problem}"):
        check(load(None, monitored_agents=path))


def test_each_setting_is_documented() -> None:
    """docs/settings.md has each variable. In a row of several, later names may be endings: `_X`."""
    page = DOCS.read_text()
    for name, field in Settings.model_fields.items():
        words = name.upper().split("_")
        endings = {f"`_{'_'.join(words[first:])}`" for first in range(1, len(words))}
        is_there = f"`{PREFIX}{name.upper()}`" in page or any(end in page for end in endings)
        assert field.validation_alias or is_there, name
