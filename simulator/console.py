"""A client of the product's console and of the gateways' metrics. It uses only public APIs."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from simulator.script import Json

TIMEOUT_S = 10.0


class ConsoleError(RuntimeError):
    """The console did not answer as its contract requires."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of a running pipeline, from `endpoints.json`. `gateway_metrics`: host:port of
    each gateway's /metrics."""

    pid: int
    kinesis: str
    kinesis_region: str
    kinesis_stream: str
    console: str
    console_token: str
    gateway_metrics: tuple[str, ...]


def read_endpoints(path: Path) -> Endpoints | None:
    """Return the endpoints, or None if the file does not exist. Raise `ConsoleError`."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    try:
        gateways = found["roles"].get("gateway", [])
        return Endpoints(
            found["pid"],
            found["kinesis"],
            found["kinesis_region"],
            found["kinesis_stream"],
            found["console"],
            found["console_token"],
            tuple(gateway["http"] for gateway in gateways if gateway["http"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConsoleError(f"{path} violates its contract: {error!r}") from error


class Console:
    """A client of the console API; an async context manager."""

    def __init__(self, base: str, token: str) -> None:
        self._base, self._token = base, token

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._base,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def contact(self, task_sid: str) -> Json | None:
        """Return the contact of a task, None if there is none yet. Raise `ConsoleError`."""
        contacts = (await self._json("/api/contacts", task_sid=task_sid))["contacts"]
        if len(contacts) > 1:
            raise ConsoleError(f"{len(contacts)} contacts of the task {task_sid}")
        return contacts[0] if contacts else None

    async def withheld(self, task_sid: str) -> list[Json]:
        """Return all recordings of a task with a withheld one; of another task none. Raise
        `ConsoleError`."""
        found = await self._json("/api/contacts", task_sid=task_sid, withheld="true")
        return [recording for contact in found["contacts"] for recording in contact["recordings"]]

    async def contacts_since(self, at: str) -> list[Json]:
        """Return the contacts that began at `at` (RFC 3339) or later, 500 at most. Raise
        `ConsoleError`."""
        contacts: list[Json] = (await self._json("/api/contacts", **{"from": at, "limit": "500"}))[
            "contacts"
        ]
        return contacts

    async def calls(self) -> list[Json]:
        """Return the calls in progress. Raise `ConsoleError`."""
        calls: list[Json] = (await self._json("/api/calls"))["calls"]
        return calls

    async def bytes(self, path: str) -> bytes:
        """Return the content at a path of the console. Raise `ConsoleError`."""
        try:
            async with self._session.get(path) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConsoleError(f"GET {path}: {error!r}") from error
        if response.status != 200:
            raise ConsoleError(f"GET {path}: {response.status} {content[:200]!r}")
        return content

    async def _json(self, path: str, **query: str) -> Any:
        if query:
            path += "?" + "&".join(f"{name}={value}" for name, value in query.items())
        try:
            return json.loads(await self.bytes(path))
        except ValueError as error:
            raise ConsoleError(f"GET {path}: no JSON") from error

    async def metrics(self, address: str) -> dict[str, float]:
        """Return the metrics at host:port, summed over their labels; {} if there is no answer."""
        try:
            async with self._session.get(f"http://{address}/metrics") as response:
                return summed(await response.text())
        except (aiohttp.ClientError, TimeoutError):
            return {}


def summed(text: str) -> dict[str, float]:
    """Return the metrics in a Prometheus text, by name: the sum over all label sets."""
    sums: dict[str, float] = {}
    for name, value in re.findall(r"^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)", text, re.MULTILINE):
        sums[name] = sums.get(name, 0.0) + float(value)
    return sums
