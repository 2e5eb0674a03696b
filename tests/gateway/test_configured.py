"""The missing settings of a gateway that media streams need."""

from gateway.configured import show_missing
from pipeline.runtime.settings import load
from pipeline.runtime.telemetry import Health

ACCOUNT, SECRET = "AC" + "a" * 32, "x" * 40


def test_a_gateway_that_refuses_what_is_started_is_unhealthy() -> None:
    """With API key and ticket secret alone. Without any of them nothing is started: a warning."""
    health = Health()
    show_missing(load(None, twilio_account_sid=ACCOUNT, ticket_secret=SECRET), health)
    assert "FLEXCAPTURE_TWILIO_AUTH_TOKEN" in health.reasons["twilio"]
    health = Health()
    show_missing(load(None), health)
    assert "twilio" not in health.reasons
    assert "every media stream is refused" in health.warnings["twilio"]
    health = Health()
    show_missing(load(None, twilio_auth_token="t"), health)
    assert not health.warnings
    assert "twilio" not in health.reasons
