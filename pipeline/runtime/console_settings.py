"""Checks of the console's settings."""

import re
import secrets
from ipaddress import ip_network
from typing import Any

from pydantic import SecretStr

from pipeline.runtime.secret_settings import several

MIN_TOKEN = 32


def new_console_token() -> str:
    """Return a random token for a console."""
    return secrets.token_urlsafe(MIN_TOKEN)


def checked_token(token: SecretStr) -> SecretStr:
    """Return the secret: one token, or two with a comma between them. Raise `ValueError` without
    the secret in its text."""
    values = several(token)
    if not values or not all(re.fullmatch(r"[\x21-\x7e]+", value) for value in values):
        raise ValueError("it must be ASCII characters without spaces, to fit an HTTP header")
    if any(len(value) < MIN_TOKEN for value in values):
        raise ValueError(
            f"it must have at least {MIN_TOKEN} characters; `flexcapture console token` creates one"
        )
    return token


def networks(text: Any) -> Any:
    """Return the IP addresses and networks of a comma-separated list. Raise `ValueError`."""
    if not isinstance(text, str):
        return text
    found = tuple(filter(None, (item.strip() for item in text.split(","))))
    for item in found:
        try:
            ip_network(item)
        except ValueError:
            raise ValueError(
                f"{item!r} is neither an IP address nor a network, as in 10.0.0.1,10.1.0.0/16"
            ) from None
    return found
