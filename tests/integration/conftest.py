"""Fixtures of several modules: a gateway, and what surrounds the stream manager."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pipeline.runtime.settings import Settings
from tests.integration.gateway_process import TOKEN, Running, gateway_with
from tests.integration.stream_bench import Bench, stream_bench


@pytest.fixture
async def gateway(settings_for: Callable[..., Settings], prefix: str) -> AsyncIterator[Running]:
    """One gateway, ready, ended after the test."""
    async with gateway_with(settings_for(prefix, twilio_auth_token=TOKEN)) as running:
        yield running


@pytest.fixture
async def bench(
    settings_for: Callable[..., Settings], prefix: str, tmp_path: Path
) -> AsyncIterator[Bench]:
    """Topics, Twilio and ticks; the list has ann."""
    async with stream_bench(settings_for, prefix, tmp_path) as made:
        yield made
