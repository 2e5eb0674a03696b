"""Dead letters for tests."""

from typing import Any

from cli.dead_letters.letter import Letter
from pipeline.kinesis.messages import CONNECTOR
from schemas.records import DeadLetter, DeadLetterRetried

EVENT = b'{"id":"EV1","type":"com.example.new","source":"s"}'


def letter(
    original: bytes = EVENT,
    role: str = CONNECTOR,
    headers: dict[str, bytes] | None = None,
    *,
    at: int = 1_000,
    letter_id: tuple[int, int] = (3, 14),
    retried: DeadLetterRetried | None = None,
    **fields: Any,
) -> Letter:
    """Return a dead letter; the bridge's unless another role is given."""
    own = {
        "reason": "not-json", "detail": "why", "origin": "flex-events", "part": "shardId-3",
        "position": "17", **fields,
    }  # fmt: skip
    record = DeadLetter(role=role, at=900, key=b"WT1", original=original, **own)
    return Letter(letter_id, at, headers or {}, record, retried)


def mark(
    letter_id: tuple[int, int] = (3, 14), given_up_at: int = 900, outcome: str = "put-back"
) -> DeadLetterRetried:
    """Return the mark of a retry."""
    return DeadLetterRetried(*letter_id, given_up_at, 5_000, outcome, 1)
