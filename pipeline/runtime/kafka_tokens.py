"""Tokens for Kafka's OAUTHBEARER: from Amazon MSK, or from a configured function."""

import asyncio
import time
from collections.abc import Callable
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any

from aiokafka.abc import AbstractTokenProvider

MSK_IAM = "msk-iam"
_MSK_MODULE = "aws_msk_iam_sasl_signer.MSKAuthTokenProvider"
RENEWED_BEFORE_S = 60.0
"""How long before its expiry a token is replaced."""

Fetch = Callable[[], Any]
"""Returns a token's text, or a tuple of it and its expiry (Unix time, ms). May block."""


class UnusableProvider(ValueError):
    """The token provider cannot be used. The text gives the reason."""


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """Fetches tokens in a thread, and keeps a token until shortly before it expires."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token = ""
        self._until = 0.0

    @classmethod
    def named(cls, name: str, region: str) -> "TokenProvider":
        """Return the provider `msk-iam` for the AWS region, or one that calls the function
        `MODULE:FUNCTION`. Raise `UnusableProvider`."""
        return cls(_msk_iam(region) if name == MSK_IAM else _function(name))

    async def token(self) -> str:
        """Return a token that is valid now."""
        if self._clock() >= self._until:
            found = await asyncio.to_thread(self._fetch)
            text, expires_at_ms = found if isinstance(found, tuple) else (found, 0)
            self._token, self._until = str(text), expires_at_ms / 1000 - RENEWED_BEFORE_S
        return self._token


def _msk_iam(region: str) -> Fetch:
    try:
        signer = import_module(_MSK_MODULE)
    except ImportError as error:
        raise UnusableProvider(
            f"{MSK_IAM} needs the package aws-msk-iam-sasl-signer-python: pip install "
            "'flexcapture[msk]'"
        ) from error
    return lambda: signer.generate_auth_token(region)


def _function(name: str) -> Fetch:
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnusableProvider(
            f"{name!r} is neither {MSK_IAM} nor MODULE:FUNCTION that can be imported ({error})"
        ) from error
    if not callable(found) or iscoroutinefunction(found):
        raise UnusableProvider(f"{name!r} is no plain function that returns a token")
    return found  # type: ignore[no-any-return]
