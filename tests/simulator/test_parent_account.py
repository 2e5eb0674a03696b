"""The account that owns the subaccount with the calls."""

import aiohttp
import pytest

from simulator.media import Credentials
from simulator.twilio_rest import TwilioRest
from tests.simulator import test_recorded
from tests.simulator.subaccount import CREDENTIALS, PARENT, double_of_subaccount

V2010 = "/2010-04-01/Accounts"


async def answer_of(rest: TwilioRest, user: Credentials, path: str) -> tuple[int, int | None]:
    """Return the status, and the number of rows of a list."""
    auth = aiohttp.BasicAuth(user.account_sid, user.auth_token)
    async with aiohttp.ClientSession() as session, session.get(rest.url + path, auth=auth) as found:
        body = await found.json()
        rows = [len(value) for value in body.values() if isinstance(value, list)]
        return found.status, rows[0] if rows else None


@pytest.mark.parametrize("name", ["Conferences", "Calls", "Recordings"])
async def test_its_token_opens_the_subaccounts_lists_of_the_2010_api(name: str) -> None:
    """It has no calls of its own. Other accounts it does not open."""
    async with double_of_subaccount(test_recorded.played()) as rest:
        _, own = await answer_of(rest, PARENT, f"{V2010}/{CREDENTIALS.account_sid}/{name}.json")
        assert own
        assert (200, 0) == await answer_of(
            rest, PARENT, f"{V2010}/{PARENT.account_sid}/{name}.json"
        )
        assert (404, None) == await answer_of(rest, PARENT, f"{V2010}/AC{'9' * 32}/{name}.json")
        assert (404, None) == await answer_of(
            rest, CREDENTIALS, f"{V2010}/{PARENT.account_sid}/{name}.json"
        )


async def test_other_apis_answer_for_the_account_of_the_credentials() -> None:
    """The parent sees its own workspace, without events; the subaccount's is not found."""
    async with double_of_subaccount(test_recorded.played()) as rest:
        assert rest.parent is not None
        events = "/taskrouter/v1/Workspaces/{}/Events"
        assert (200, 1) == await answer_of(rest, PARENT, "/taskrouter/v1/Workspaces")
        own = events.format(rest.parent.workspace_sid)
        assert (200, 0) == await answer_of(rest, PARENT, own)
        assert (404, None) == await answer_of(rest, CREDENTIALS, own)
        others = events.format(rest.administration.workspace_sid)
        assert (404, None) == await answer_of(rest, PARENT, others)
        assert (200, 0) == await answer_of(rest, CREDENTIALS, others)
        participants = f"/insights/v1/Conferences/{test_recorded.CONFERENCE}/Participants"
        assert (404, None) == await answer_of(rest, PARENT, participants)
        assert (200, 2) == await answer_of(rest, CREDENTIALS, participants)
