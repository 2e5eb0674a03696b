"""Visitors that sign in, and the audit table."""

import httpx

from tests.console.conftest import TOKEN

COOKIE = "flexcapture_session"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


async def signed_in(visitor: httpx.AsyncClient) -> httpx.Response:
    return await visitor.post("/sign-in?next=/search", data={"token": TOKEN})
