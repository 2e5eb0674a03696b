"""Requests to an application without a socket."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlencode

from aiohttp import StreamReader, web
from aiohttp.test_utils import make_mocked_request

Form = Mapping[str, str | Sequence[str]]


def request(
    method: str, path: str, form: Form | None = None, match_info: Any = None
) -> web.Request:
    """A request, perhaps with a form."""
    loop = asyncio.get_running_loop()
    body = StreamReader(Mock(_reading_paused=False), 2**16, loop=loop)
    body.feed_data(urlencode(form or {}, doseq=True).encode())
    body.feed_eof()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Host": "api.test"}
    return make_mocked_request(method, path, headers, payload=body, match_info=match_info or {})


async def asked(
    application: web.Application, method: str, path: str, form: Form | None = None
) -> tuple[int, Any]:
    """The status and the body of the answer. Raises what the handler raises, 404 and 405 too."""
    route = await application.router.resolve(request(method, path))
    answer = await route.handler(request(method, path, form, dict(route)))
    assert isinstance(answer, web.Response)
    return answer.status, json.loads(answer.text) if answer.text else None
