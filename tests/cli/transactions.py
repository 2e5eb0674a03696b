"""The producer of the writers of commands."""

from typing import Any

import pytest

from cli import transactional_writer
from pipeline.runtime.settings import Settings
from tests.transactional_producer import TransactionalProducer


def next_producer(monkeypatch: pytest.MonkeyPatch) -> TransactionalProducer:
    """Return the producer that the next writer gets."""
    made = TransactionalProducer()

    def producer(_: Settings, **arguments: Any) -> TransactionalProducer:
        made.arguments = arguments
        return made

    monkeypatch.setattr(transactional_writer, "producer", producer)
    return made
