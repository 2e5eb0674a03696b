"""Write to the topic `policy`: versions of the monitored list, and lists that are held back."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog

from agents.policy_topic import EFFECTIVE_AFTER_MS, HELD_BACK_KEY, reading_policy
from pipeline.policy.list_changes import Content
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.policy.versions import key_of, parts_of
from pipeline.runtime.kafka import producer
from pipeline.runtime.settings import Role, Settings
from schemas.codec import encode
from schemas.records import PolicyHeldBack, RecordingPolicy
from schemas.topics import POLICY

log = structlog.get_logger(__name__)

TRANSACTIONAL_ID = "policy-publisher"
STOP_S = 5.0


def following_version(
    content: Content, base: int, history: PolicyHistory, now: int, number: int = 0
) -> RecordingPolicy | None:
    """Return the version to publish at `now` (ms) to bring `content` into force; None if it is
    already.

    `base`: as in the record. `number`: the greatest version number known elsewhere.
    """
    latest = history.latest
    if is_in_force(content, base, history):
        return None
    return RecordingPolicy(
        version=max(history.last_number, number) + 1,
        published_at=now,
        effective_at=max(now + EFFECTIVE_AFTER_MS, latest.effective_at + 1),
        entries=content.entries,
        record_inbound=content.record_inbound,
        record_outbound=content.record_outbound,
        base=base,
    )


def is_in_force(content: Content, base: int, history: PolicyHistory) -> bool:
    """Return whether the latest version has that content.

    With a `base` (a part is held back) it does not matter how the latest version was made. Without,
    it must be the whole list of a file.
    """
    latest = history.latest
    known = Content(latest.entries, latest.record_inbound, latest.record_outbound)
    return content == known and (base > 0 or latest.base == 0)


class PolicyWriter:
    """Writes versions and held-back lists. Raise the errors of Kafka's client. `now`: the log's
    clock (ms), which determines when a version takes effect."""

    def __init__(self, settings: Settings, now: Callable[[], int]) -> None:
        self._settings = settings
        self._now = now

    async def publish(
        self, content: Content, base: int, known: PolicyHistory, *, anew: bool = False
    ) -> None:
        """Publish `content` as the next version, unless it is in force according to `known` or to
        the topic itself.

        With `anew` (the topic was lost), `known` does not prevent publishing. The new version's
        number is greater than all numbers in both.
        """
        if not anew and is_in_force(content, base, known):
            return
        # 1. Starting the producer fences every other publisher. 2. After that, the topic's end is
        #    fixed. 3. So the next number is unique.
        transactional_id = self._settings.prefixed(TRANSACTIONAL_ID)
        async with self._sending(
            transactional_id=transactional_id, transaction_timeout_ms=10_000
        ) as sender:
            async with reading_policy(self._settings) as reader:
                policy = following_version(
                    content, base, reader.history, self._now(), known.last_number
                )
            if policy is None:
                return
            parts = parts_of(policy)
            async with sender.transaction():
                for part in parts:
                    await self._send(sender, key_of(part), encode(part))
        entries = len(policy.entries)
        log.info(
            "monitored list published", version=policy.version, entries=entries, parts=len(parts)
        )

    async def announce(self, instance: str, held: PolicyHeldBack | None) -> None:
        """Publish the list that a stream manager holds back; None: it holds back none any more."""
        async with self._sending() as sender:
            value = None if held is None else encode(held)
            await self._send(sender, f"{HELD_BACK_KEY}{instance}", value)

    @contextlib.asynccontextmanager
    async def _sending(self, **options: Any) -> Any:
        sender = producer(self._settings, source=Role.STREAM_MANAGER, **options)
        await sender.start()
        try:
            yield sender
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sender.stop(), STOP_S)

    async def _send(self, sender: Any, key: str, value: bytes | None) -> None:
        topic = self._settings.prefixed(POLICY.name)
        await sender.send_and_wait(topic, value, key.encode(), partition=0)
