"""Build the parts of a gateway from its settings."""

from pathlib import Path

import structlog

from gateway.admission.admission import Entrance, UsedTickets
from gateway.publishing.spill import SpillInUse, Spills
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health

log = structlog.get_logger(__name__)


def spills_of(settings: Settings, directory: Path | None, instance: str) -> Spills | None:
    """Return the gateway's spill, None if it has none. `directory`: the gateway's state directory.
    Raise `SettingsError` if the spill directory cannot be used."""
    directory = settings.gateway_spill_dir or (directory and directory / f"{instance}.spill")
    if directory is None or not settings.gateway_spill_bytes:
        log.warning("no FLEXCAPTURE_GATEWAY_SPILL_DIR: audio is kept only in memory if Kafka fails")
        return None
    try:
        return Spills(directory, settings.gateway_spill_bytes)
    except OSError as error:
        raise SettingsError(
            f"FLEXCAPTURE_GATEWAY_SPILL_DIR: {directory} cannot be used: {error.strerror}"
        ) from error
    except SpillInUse as error:
        raise SettingsError(str(error)) from error


def entrance_of(
    settings: Settings, public_url: str, directory: Path | None, clock: LogClock
) -> Entrance:
    """Return the object that accepts or refuses handshakes for `public_url`."""
    return Entrance(
        settings.auth_tokens,
        public_url,
        UsedTickets(directory and directory / "tickets"),
        ticket_secrets=settings.ticket_secrets,
        customer_streams=settings.gateway_customer_streams,
        signed_url=settings.gateway_signed_url,
        clock=clock.settled_seconds,
    )


def show_missing(settings: Settings, health: Health) -> None:
    """Log a warning for each missing setting, with its consequence, and show in `health` that every
    media stream is refused.

    The gateway is unhealthy if media streams are started nevertheless: with an API key and a ticket
    secret, twilio-adapter works without the auth token.
    """
    if not settings.auth_tokens:
        text = "FLEXCAPTURE_TWILIO_AUTH_TOKEN is not set: every media stream is refused"
        log.warning(text)
        show = health.warn if settings.ticket_secret is None else health.bad
        show("twilio", text)
    if settings.twilio_account_sid is None:
        log.warning(
            "FLEXCAPTURE_TWILIO_ACCOUNT_SID is not set: media streams of any account are accepted"
        )
