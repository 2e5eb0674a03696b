"""Unusual behaviour of a socket that sends media."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import PING, TEXT, Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from simulator import habits
from simulator.habits import SECOND_AFTER_S, Deaf, second_socket, signed_url
from tests.virtual_time import virtual_ms, virtually

URL = "ws://host.test:8443/media/ticket"


@pytest.mark.parametrize(("kind", "answers"), [(ClientConnection, True), (Deaf, False)])
async def test_a_deaf_client_answers_no_ping(kind: type[ClientConnection], answers: bool) -> None:
    """But sends everything else."""
    protocol = ClientProtocol(parse_uri("ws://host.test/"), state=State.OPEN)
    kind(protocol)
    protocol.receive_data(Frame(PING, b"there?").serialize(mask=False))
    assert answers == bool(protocol.data_to_send())
    protocol.send_text(b"text")
    (sent,) = protocol.data_to_send()
    assert TEXT == sent[0] & 0x0F


@given(st.integers(1, 65535), st.sampled_from(["ws", "wss"]), st.sampled_from(["", "/a/b"]))
def test_the_signed_url_has_no_port(port: int, scheme: str, path: str) -> None:
    """Everything else stays; a URL without a port is not changed."""
    bare = f"{scheme}://host.test{path}"
    assert bare == signed_url(f"{scheme}://host.test:{port}{path}") == signed_url(bare)


def _first() -> Any:
    headers = {"X-Twilio-Signature": "signed"}
    return SimpleNamespace(request=SimpleNamespace(headers=headers))


def test_the_second_socket_has_the_signature_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens a little later, and stays open for a second."""
    seen: list[Any] = []

    @asynccontextmanager
    async def connect(url: str, **more: Any) -> AsyncIterator[None]:
        seen.append((virtual_ms(), url, more["additional_headers"]["X-Twilio-Signature"]))
        yield
        seen.append(virtual_ms())

    async def main() -> int:
        began = virtual_ms()
        await second_socket(_first(), URL)
        return began

    monkeypatch.setattr(habits, "connect", connect)
    opened = virtually(main()) + round(SECOND_AFTER_S * 1000)
    assert [(opened, URL, "signed"), opened + 1000] == seen


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), InvalidHandshake("refused")])
def test_a_refused_second_socket_is_no_trouble(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It does not raise."""

    @asynccontextmanager
    async def connect(url: str, **more: Any) -> AsyncIterator[None]:
        raise error
        yield

    monkeypatch.setattr(habits, "connect", connect)
    virtually(second_socket(_first(), URL))
