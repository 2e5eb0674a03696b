"""The accounts at Twilio, and which credentials open which of them. Pure.

The auth token of an account that owns subaccounts opens their resources in the 2010 API, which has
the account in its paths. The other APIs answer for the account of the credentials. An API key opens
its own account only.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.media import Credentials
from simulator.world import ApiError, not_found


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """An account with all that opens it. `api_keys`: the secrets of its API keys, by SID."""

    credentials: Credentials
    api_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def sid(self) -> str:
        """The SID of the account."""
        return self.credentials.account_sid


@dataclass(frozen=True, slots=True)
class TwilioAccounts:
    """The account with the calls, and the account that owns it, if it is a subaccount."""

    own: AccountKeys
    parent: AccountKeys | None = None

    def asked(self, authorization: str, stated: str | None, path: str) -> str:
        """Return the SID of the account that a request is about. `stated`: the account
        that the path names; None: the API's paths name none. Raise `ApiError`."""
        user, password = _basic(authorization)
        for account in filter(None, (self.own, self.parent)):
            if user == account.sid and _same(password, account.credentials.auth_token):
                return self._by_token(account, stated, path)
            secret = account.api_keys.get(user)
            if secret is not None and _same(password, secret):
                if stated in (None, account.sid):
                    return account.sid
                raise ApiError(401, 20003, "The API key belongs to another account")
        raise ApiError(401, 20003, "Authenticate")

    def _by_token(self, account: AccountKeys, stated: str | None, path: str) -> str:
        if stated in (None, account.sid):
            return account.sid
        if account is self.parent and stated == self.own.sid:
            return self.own.sid
        raise not_found(path)


def _basic(authorization: str) -> tuple[str, str]:
    """Return user and password of a header for Basic authentication, empty if it is none."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    user, _, password = text.partition(":")
    return (user, password) if scheme == "Basic" else ("", "")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
