"""The fixture of the adapter's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.agents.twilio_adapter.scene import Scene, opened_scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """An adapter with a Twilio in memory that has a leg in progress."""
    async with opened_scene() as made:
        yield made
