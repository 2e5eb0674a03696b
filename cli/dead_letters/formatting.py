"""The output of `flexcapture dead-letters` for one dead letter. Pure."""

from typing import Any

from cli.dead_letters.letter import Letter
from pipeline.times import rfc3339

_DETAIL_CHARACTERS = 100


def line(letter: Letter) -> str:
    """Return the letter as a line: ID, time, reason, origin, detail, latest retry."""
    record = letter.record
    detail = " ".join(record.detail.split())
    if len(detail) > _DETAIL_CHARACTERS:
        detail = detail[:_DETAIL_CHARACTERS] + "..."
    named = "" if record.task_sid is None else f"  {record.task_sid}"
    retried = "" if letter.retried is None else f"  [{_retried(letter)}]"
    return (
        f"{letter.name:<10} {rfc3339(letter.at)}  {record.reason:<14} "
        f"{record.origin}/{record.part}@{record.position}  {detail}{named}{retried}"
    )


def as_json(letter: Letter) -> dict[str, Any]:
    """Return all fields except the bytes; `bytes` is their number."""
    record, mark = letter.record, letter.retried
    return {
        "id": letter.name,
        "at": rfc3339(letter.at),
        "reason": record.reason,
        "detail": record.detail,
        "role": record.role,
        "origin": record.origin,
        "part": record.part,
        "position": record.position,
        "given_up_at": rfc3339(record.at),
        "task_sid": record.task_sid,
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "bytes": len(record.original),
        "retried": None
        if mark is None
        else {"at": rfc3339(mark.at), "outcome": mark.outcome, "records": mark.records},
    }


def as_text(letter: Letter) -> str:
    """Return the whole letter as text for people."""
    values = {name: value for name, value in as_json(letter).items() if name != "retried"}
    lines = [f"{name:<12} {value}" for name, value in values.items() if value is not None]
    if letter.retried is not None:
        lines.append(f"{'retried':<12} {_retried(letter)}")
    return "\n".join([*lines, "", letter.record.original.decode(errors="backslashreplace")])


def _retried(letter: Letter) -> str:
    assert letter.retried is not None
    return f"{letter.retried.outcome} {rfc3339(letter.retried.at)}"
