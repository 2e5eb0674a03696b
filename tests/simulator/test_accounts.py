"""Which credentials open which account."""

import base64

import pytest

from simulator.accounts import AccountKeys, TwilioAccounts
from simulator.media import Credentials
from simulator.world import ApiError

SUB, PARENT, OTHER = ("AC" + digit * 32 for digit in "123")
SUB_KEY, PARENT_KEY = ("SK" + digit * 32 for digit in "45")
ACCOUNTS = TwilioAccounts(
    AccountKeys(Credentials(SUB, "sub token"), {SUB_KEY: "sub secret"}),
    AccountKeys(Credentials(PARENT, "parent token"), {PARENT_KEY: "parent secret"}),
)


def asked(user: str, password: str, stated: str | None) -> str:
    """Return the account that a request is about, or the status of the refusal."""
    header = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        return ACCOUNTS.asked(header, stated, "/path")
    except ApiError as error:
        return f"{error.status}/{error.code}"


@pytest.mark.parametrize(
    ("user", "password", "stated", "answer"),
    [
        (SUB, "sub token", SUB, SUB),
        (SUB, "sub token", None, SUB),
        (SUB, "sub token", PARENT, "404/20404"),
        (SUB, "parent token", SUB, "401/20003"),
        (SUB_KEY, "sub secret", SUB, SUB),
        (SUB_KEY, "sub secret", None, SUB),
        (SUB_KEY, "sub secret", PARENT, "401/20003"),
        (SUB_KEY, "wrong", SUB, "401/20003"),
        (PARENT, "parent token", SUB, SUB),
        (PARENT, "parent token", PARENT, PARENT),
        (PARENT, "parent token", None, PARENT),
        (PARENT, "parent token", OTHER, "404/20404"),
        (PARENT_KEY, "parent secret", SUB, "401/20003"),
        (PARENT_KEY, "parent secret", None, PARENT),
        (OTHER, "token", OTHER, "401/20003"),
    ],
)
def test_who_may_what(user: str, password: str, stated: str | None, answer: str) -> None:
    """The parent's token opens the subaccount in the 2010 API; its key does not. APIs without an
    account in their paths answer for the account of the credentials."""
    assert answer == asked(user, password, stated)


@pytest.mark.parametrize("header", ["", "Basic", "Basic %%%", "Basic gIA=", f"Bearer {SUB}"])
def test_anything_else_is_refused(header: str) -> None:
    """No header, another scheme, no base64, no text."""
    with pytest.raises(ApiError, match="401/20003"):
        ACCOUNTS.asked(header, SUB, "/path")
