"""Write to `cti.dead-letters` the records that a role cannot handle or does not accept."""

from collections.abc import Callable, Mapping

import structlog

from agents.faust_runner.core import Incoming, Refusal
from agents.faust_runner.metrics import GIVEN_UP
from agents.faust_runner.sending import REFUSED, Sender
from pipeline.dead_letters import dead_letter
from schemas.topics import DEAD_LETTERS

log = structlog.get_logger(__name__)

_SHORT_BYTES = 10_000
_CUT = "the record was cut: Kafka refused a larger dead letter"


class DeadLetters:
    """Writes a role's dead letters. `topics` maps names with the prefix to names without it."""

    def __init__(
        self,
        role: str,
        sender: Sender,
        topics: Mapping[str, str],
        prefixed: Callable[[str], str],
    ) -> None:
        self._role = role
        self._sender = sender
        self._topics = topics
        self._prefixed = prefixed

    async def give_up(self, incoming: Incoming, reason: str, error: Exception) -> None:
        """Write a record that could not be handled. `reason`: a short fixed word. Return once Kafka
        has the dead letter, or refuses it for good."""
        log.error(
            "record not processed: sent to the dead letters", reason=reason,
            topic=self._topics[incoming.topic], partition=incoming.partition,
            offset=incoming.offset, exc_info=error,
        )  # fmt: skip
        await self._bury(incoming, reason, str(error), type(error).__name__)

    async def refuse(self, incoming: Incoming, refused: Refusal) -> None:
        """Write a record that the core does not accept. Return once Kafka has the dead letter, or
        refuses it for good."""
        log.warning(
            "record refused", reason=refused.reason, detail=refused.detail,
            topic=self._topics[incoming.topic], partition=incoming.partition,
            offset=incoming.offset,
        )  # fmt: skip
        await self._bury(incoming, refused.reason, refused.detail)

    async def _bury(
        self, incoming: Incoming, reason: str, detail: str, exception: str = ""
    ) -> None:
        GIVEN_UP.labels(self._topics[incoming.topic], reason).inc()
        topic = self._prefixed(DEAD_LETTERS.name)
        original = incoming.value or b""
        for kept in (original, original[:_SHORT_BYTES], b""):
            value, headers = dead_letter(
                reason=reason,
                detail=detail if len(kept) == len(original) else f"{detail} [{_CUT}]",
                role=f"flexcapture-{self._role}",
                origin=incoming.topic,
                part=str(incoming.partition),
                position=str(incoming.offset),
                at=incoming.timestamp,
                key=incoming.key,
                original=kept,
                stage="VALUE_CONVERTER" if reason == "undecodable" else "TASK_PUT",
                exception=exception,
            )
            try:
                await self._sender.send_alone(topic, value, incoming.key, headers=headers)
            except REFUSED:
                continue
            return
        log.error("dead letter refused by Kafka", reason=reason, topic=topic)
