"""In the place of the connections to Twilio: requests are noted as they would go out. With texts
that try to reach something else."""

import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from hypothesis import strategies as st
from yarl import URL

from agents.twilio_adapter.client import TwilioApi
from tests.agents.twilio_double import ACCOUNT, TOKEN
from tests.pipeline.calls.histories import CUSTOMER_LEG

SID = "[0-9a-fA-F]{32}"
ALLOWED = re.compile(
    f"/2010-04-01/Accounts/{ACCOUNT}/"
    f"(Calls/CA{SID}\\.json|Calls/CA{SID}/Streams(/[^/?#]+)?\\.json"
    f"|Conferences\\.json|Conferences/CF{SID}/Participants\\.json)"
)
HOSTILE = st.sampled_from(
    [
        f"{CUSTOMER_LEG}.json?Status=completed&x=",
        "../Messages.json?To=%2B15550100&Body=x",
        f"../../AC{'f' * 32}/Calls/{CUSTOMER_LEG}",
        "..",
        ".",
        "%2e%2e/Messages",
        f"{CUSTOMER_LEG}#",
        f"{CUSTOMER_LEG}\\..\\Messages",
        CUSTOMER_LEG,
        "CF" + "a" * 32,
        "WT" + "b" * 32,
        "",
    ]
)
TEXTS = HOSTILE | st.text(max_size=40)

ANSWERS = st.fixed_dictionaries(
    {
        "sid": TEXTS,
        "from": TEXTS,
        "to": TEXTS,
        "conferences": st.lists(st.fixed_dictionaries({"sid": TEXTS}), max_size=2),
        "participants": st.lists(
            st.fixed_dictionaries({"call_sid": TEXTS, "label": TEXTS}), max_size=3
        ),
        "next_page_uri": st.none()
        | TEXTS
        | st.sampled_from(
            [
                "/2010-04-01/Accounts.json",
                "https://api.twilio.com/2010-04-01/Accounts/x/Messages.json",
                "//elsewhere.example.com/2010-04-01/x.json",
                "https://elsewhere.example.com/Conferences.json",
            ]
        ),
    }
)


@dataclass
class Response:
    """The answer to a request, as the HTTP client sees it."""

    status: int
    answer: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def read(self) -> bytes:
        """Return the body."""
        return json.dumps(self.answer).encode()


@dataclass
class Wire:
    """In the place of the connections: notes each request as it would go out, and answers with one
    of `answers` (status and JSON) after the other, again and again."""

    answers: Sequence[tuple[int, Mapping[str, Any]]]
    asked: list[tuple[str, URL]] = field(default_factory=list)

    def request(self, method: str, url: str, **options: Any) -> "Response":
        """Note the request, and return its answer."""
        assert options["allow_redirects"] is False
        self.asked.append((method, URL(url)))
        return Response(*self.answers[len(self.asked) % len(self.answers)])

    async def close(self) -> None:
        """As a session is closed."""


@asynccontextmanager
async def wired(wire: Wire) -> AsyncIterator[TwilioApi]:
    """Twilio's API, with its requests on the wire."""
    async with TwilioApi(ACCOUNT, (ACCOUNT, TOKEN), TOKEN, None, clock=time.time) as api:
        await api._http.close()
        api._http._session = wire  # type: ignore[assignment]
        yield api


def only_allowed(wire: Wire) -> None:
    """Fail if a request is for anything but calls and conferences of the account."""
    for method, url in wire.asked:
        assert (url.scheme, url.host, url.user) == ("https", "api.twilio.com", None)
        assert ALLOWED.fullmatch(url.raw_path), (method, url)
        assert method in ("GET", "POST")
        posts = method == "POST"
        assert posts == ("/Streams" in url.raw_path)
