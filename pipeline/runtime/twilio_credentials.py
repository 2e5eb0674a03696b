"""The Twilio credentials that are missing, and the effects of their absence. No I/O."""

from collections.abc import Iterator

from pipeline.runtime.settings import PREFIX, Settings

_TOKEN = f"{PREFIX}TWILIO_AUTH_TOKEN"


def missing_for_requests(settings: Settings) -> str:
    """Return the settings that twilio-adapter lacks to start and stop media streams; empty if there
    are none."""
    return " and ".join(_missing_for_requests(settings))


def missing_for_history(settings: Settings) -> str:
    """Return the settings that requests about calls that are over lack; empty if there are none."""
    missing = [] if settings.twilio_account_sid else [f"{PREFIX}TWILIO_ACCOUNT_SID"]
    if settings.twilio_api_key_secret is None and not settings.auth_tokens:
        key = f"{PREFIX}TWILIO_API_KEY_SID and {PREFIX}TWILIO_API_KEY_SECRET"
        missing.append(f"{_TOKEN} (or {key})")
    return " and ".join(missing)


def _missing_for_requests(settings: Settings) -> Iterator[str]:
    if settings.twilio_account_sid is None:
        yield f"{PREFIX}TWILIO_ACCOUNT_SID"
    if settings.twilio_api_key_secret is None and not settings.auth_tokens:
        key = f"{PREFIX}TWILIO_API_KEY_SID, {PREFIX}TWILIO_API_KEY_SECRET and {PREFIX}TICKET_SECRET"
        yield f"{_TOKEN} (or {key})"
    elif not settings.ticket_secrets:
        yield f"{PREFIX}TICKET_SECRET (or {_TOKEN})"


def cannot_record(settings: Settings) -> list[str]:
    """Return a sentence for each part of recording that does not work because credentials are
    missing."""
    found = []
    if missing := missing_for_requests(settings):
        found.append(f"no media stream is started or stopped: set {missing}")
    if not settings.auth_tokens:
        found.append(
            "the gateway cannot check Twilio's signatures, so it refuses every socket and nothing "
            f"is recorded: set {_TOKEN}, also if there is an API key"
        )
    return found
