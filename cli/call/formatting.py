"""The output of `flexcapture call`: a call's history as JSON (docs/operations.md) and as text.
Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from cli.call.versions import KnownVersions, Logged, Version
from pipeline.calls.claims import Contradiction, contradictions, is_contradiction
from pipeline.calls.workers import value
from pipeline.contacts.state import open_recordings
from pipeline.times import rfc3339
from schemas.records import Call, DeadLetter, Leg, RecordingCompleted, Transfer

Json = dict[str, Any]

_PREFIX = "com.twilio."


def as_json(latest: KnownVersions, every: Iterable[Version] | None, at: int | None) -> Json:
    """Return the whole answer. `every`: all versions, if they were requested. Times are RFC 3339 in
    UTC with milliseconds, or null."""
    state = latest.known
    decisions = [_plain(decision) for decision in state.decisions]
    shown: Json = {
        "task_sid": latest.version.call.task_sid,
        "at": None if at is None else rfc3339(at),
        "version": _version(latest.version),
        "call": _plain(latest.version.call),
        "contradictions": [_plain(each) for each in contradictions(latest.version.call)],
        "decision": decisions[-1] if decisions else None,
        "decisions": decisions,
        "streams": [_plain(media_stream) for media_stream in state.media_streams],
        "recordings": [_plain(recording) for recording in _recordings(latest)],
        "dead_letters": [_dead_letter(each) for each in latest.dead_letters],
    }
    if every is not None:
        shown["versions"] = [_version(version) for version in every]
    return shown


def _dead_letter(letter: Logged[DeadLetter]) -> Json:
    record = letter.record
    return {"at": rfc3339(letter.at), "reason": record.reason, "detail": record.detail}


def _version(version: Version) -> Json:
    call = version.call
    return {
        "revision": call.revision,
        "at": rfc3339(version.at),
        "cause": {
            "event_id": call.cause_event_id,
            "type": call.cause_type,
            "at": rfc3339(call.cause_at),
        },
        "changes": list(version.changes),
    }


def _recordings(latest: KnownVersions) -> list[Any]:
    begun = open_recordings(latest.known)
    return sorted([*latest.known.completed, *begun], key=lambda r: (r.started_at, r.inum))


def _plain(value: Any, name: str = "") -> Any:
    """Return a record as JSON. Fields `at` and `..._at`, and all milestones, are times."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name), f.name) for f in fields(value)}
    if isinstance(value, Mapping):
        inner = "at" if name == "milestones" else ""
        return {key: _plain(each, inner) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    is_time = isinstance(value, int) and (name == "at" or name.endswith("_at"))
    return rfc3339(value) if is_time else value


def as_text(latest: KnownVersions, every: Iterable[Version] | None, at: int | None) -> str:
    """Return the same as text for people."""
    parts = [_heading(latest.version.call)]
    if every is not None:
        parts.append("\n".join(["Versions", *(line for v in every for line in _version_lines(v))]))
    parts.append("\n".join(_state_lines(latest.version, at)))
    parts.append("\n".join(["Decisions", *_decision_lines(latest)]))
    parts.append("\n".join(["Media streams", *_stream_lines(latest)]))
    parts.append("\n".join(["Recordings", *_recording_lines(latest)]))
    if latest.dead_letters:
        parts.append("\n".join(["Dead letters", *_dead_letter_lines(latest)]))
    return "\n\n".join(parts)


def _heading(call: Call) -> str:
    values = {
        "": call.state,
        "direction": call.direction,
        "customer": value(call.facts, "customer"),
        "queue": value(call.facts, "queue"),
    }
    words = [f"{name} {word}".strip() for name, word in values.items() if word is not None]
    return f"Call {call.task_sid}: {', '.join(words)}"


def _version_lines(version: Version) -> Iterator[str]:
    call = version.call
    kind = call.cause_type.removeprefix(_PREFIX)
    yield (
        f"{call.revision:>4}  {rfc3339(version.at)}  {kind} of {rfc3339(call.cause_at)}"
        f"  {call.cause_event_id}"
    )
    yield f"      {'; '.join(version.changes) or 'times or details only'}"


def _state_lines(version: Version, at: int | None) -> Iterator[str]:
    call = version.call
    when = "latest" if at is None else f"held at {rfc3339(at)}"
    yield f"Version {call.revision} ({when}), since {rfc3339(version.at)}"
    yield _line("events", f"{rfc3339(call.first_event_at)} to {rfc3339(call.latest_event_at)}")
    yield from _fact_lines(call)
    if call.milestones:
        yield _line("task", _steps(call.milestones))
    for connection in call.connections:
        who = connection.extension or "unknown agent"
        span = _span(connection.started_at, connection.ended_at)
        yield _line("connection", f"{who}: {connection.state}{span}  {connection.reservation_sid}")
    for transfer in call.transfers:
        yield _line("transfer", _transfer(transfer))
    for leg in call.legs:
        yield _line("leg", _leg(leg))
    for stream in call.media_streams:
        yield _line("from Twilio", f"{stream.stream_sid}: {_steps(stream.milestones)}")


def _fact_lines(call: Call) -> Iterator[str]:
    for name, fact in sorted(call.facts.items()):
        if not is_contradiction(name):
            yield _line(name, fact.value)
    for each in contradictions(call):
        yield _line("contradiction", _contradiction(each))


def _contradiction(each: Contradiction) -> str:
    whose = f" of {each.reservation_sid}" if each.reservation_sid else ""
    return f"{each.name}{whose}: {each.held} holds, {each.value} stated at {rfc3339(each.at)}"


def _span(start: int | None, end: int | None) -> str:
    since = "" if start is None else f", accepted {rfc3339(start)}"
    return since + ("" if end is None else f", ended {rfc3339(end)}")


def _transfer(transfer: Transfer) -> str:
    words = [value(transfer.facts, name) for name in ("mode", "type", "to")]
    return f"{transfer.sid} {' '.join(w for w in words if w)}: {_steps(transfer.milestones)}"


def _leg(leg: Leg) -> str:
    facts = " ".join(f"{name}={fact.value}" for name, fact in sorted(leg.facts.items()))
    return f"{leg.call_sid} {facts}: {_steps(leg.milestones)}"


def _steps(milestones: Mapping[str, int]) -> str:
    ordered = sorted(milestones.items(), key=lambda item: (item[1], item[0]))
    return ", ".join(f"{name} {rfc3339(at)}" for name, at in ordered) or "-"


def _decision_lines(latest: KnownVersions) -> Iterator[str]:
    decisions = latest.known.decisions
    for decision in decisions:
        mark = "  (in force)" if decision is decisions[-1] else ""
        yield (
            f"  {rfc3339(decision.at)}  {decision.decision}: {decision.reason}"
            f"  (list version {decision.policy_version}){mark}"
        )
    if not decisions:
        yield "  none"


def _stream_lines(latest: KnownVersions) -> Iterator[str]:
    for each in latest.known.media_streams:
        sid = each.stream_sid or "no stream SID yet"
        name = each.name or "not ours"
        yield f"  {rfc3339(each.at)}  {sid}  {each.state}: {each.reason}  ({name})"
    if not latest.known.media_streams:
        yield "  none"


def _recording_lines(latest: KnownVersions) -> Iterator[str]:
    found = _recordings(latest)
    for each in found:
        state = "being recorded"
        if isinstance(each, RecordingCompleted):
            state = f"complete, {each.duration_ms / 1000:.3f} s, {each.lost} frames lost"
        yield f"  {rfc3339(each.started_at)}  {each.inum}  {each.stream_sid}  {state}"
    if not found:
        yield "  none"


def _dead_letter_lines(latest: KnownVersions) -> Iterator[str]:
    for each in latest.dead_letters:
        detail = " ".join(each.record.detail.split())
        yield f"  {rfc3339(each.at)}  {each.record.reason}: {detail}"


def _line(name: str, text: str) -> str:
    return f"  {name:<18}{text}"
