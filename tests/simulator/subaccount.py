"""A double with calls that belong to a subaccount."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simulator.accounts import AccountKeys, TwilioAccounts
from simulator.media import Credentials
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World

CREDENTIALS = Credentials("AC" + "a" * 32, "secret")
PARENT = Credentials("AC" + "b" * 32, "parent's secret")
KEY = ("SK" + "c" * 32, "key's secret")
PARENT_KEY = ("SK" + "d" * 32, "secret of the parent's key")


@asynccontextmanager
async def double_of_subaccount(world: World) -> AsyncIterator[TwilioRest]:
    """The subaccount has the calls of `world` and an API key, its parent has a key too."""
    accounts = TwilioAccounts(
        AccountKeys(CREDENTIALS, dict([KEY])), AccountKeys(PARENT, dict([PARENT_KEY]))
    )
    async with TwilioRest(world, CREDENTIALS, Faults(), accounts=accounts) as rest:
        yield rest
