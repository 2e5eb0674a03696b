"""The answers for the account that owns the subaccount with the calls: it has a workspace, and no
calls."""

import re

from aiohttp import web

from simulator.admin_rest import paged as paged_v1
from simulator.paging import paged
from simulator.script import Json
from simulator.world import not_found

_LISTS = re.compile(r"/2010-04-01/Accounts/[^/]+/(Calls|Conferences|Recordings)\.json")
_OF_WORKSPACE = re.compile(r"/taskrouter/v1/Workspaces/([^/]+)/(Events|Workers)")


class ParentAccount:
    """Answers requests for lists. `workspace_sid`: its only workspace."""

    def __init__(self, account_sid: str, workspace_sid: str) -> None:
        self._account, self.workspace_sid = account_sid, workspace_sid

    def answer(self, request: web.Request) -> web.Response:
        """Return the answer. Raise `ApiError` for any resource: there is none."""
        if request.method != "GET":
            raise not_found(request.path)
        if request.path == "/taskrouter/v1/Workspaces":
            row: Json = {"sid": self.workspace_sid, "account_sid": self._account}
            return paged_v1(request, "workspaces", [row])
        found = _OF_WORKSPACE.fullmatch(request.path)
        if found is not None and found[1] == self.workspace_sid:
            return paged_v1(request, found[2].lower(), [])
        if (found := _LISTS.fullmatch(request.path)) is not None:
            page = paged(found[1].lower(), [], request.path, dict(request.query))
            return web.json_response(page)
        raise not_found(request.path)
