"""A contact that cannot be decoded is a dead letter with its reason."""

from types import SimpleNamespace
from typing import Any

from agents.retriever.dead_letters import send_dead_letter
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from tests.pipeline.recovery.contacts_made import AT, TASK


async def test_it_says_where_it_came_from_and_why() -> None:
    """With its bytes, under its key."""
    sent: list[tuple[Any, ...]] = []

    async def send_and_wait(topic: str, value: bytes, key: bytes, headers: object) -> None:
        sent.append((topic, decode(value), key, headers))

    producer: Any = SimpleNamespace(send_and_wait=send_and_wait)
    message: Any = SimpleNamespace(partition=3, offset=17, key=TASK.encode(), value=b"?")
    settings = Settings(topic_prefix="p.")
    await send_dead_letter(producer, settings, message, "no wire format header", AT)
    [(topic, letter, key, _)] = sent
    assert ("p.cti.dead-letters", TASK.encode()) == (topic, key)
    assert ("undecodable", "p.contacts", "3", "17", b"?", TASK) == (
        letter.reason, letter.origin, letter.part, letter.position, letter.original,
        letter.task_sid,
    )  # fmt: skip
