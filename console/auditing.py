"""Write sign-ins and access to audio to the audit table before they take effect."""

from collections import OrderedDict
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from console.metrics import ACTIONS
from console.visitor import Visitor, visitor_of
from console.wrong_tokens import TokenRefusal
from pipeline.store.audit import Action, AuditEntry, AuditLog
from schemas.records import ContactRecording

log = structlog.get_logger(__name__)

SAME_PLAYBACK_MS = 10 * 60 * 1000
_MAX_PLAYBACKS = 10_000

Key = tuple[str, ...]


@dataclass(slots=True)
class Playbacks:
    """The playbacks that already have an entry. A player fetches a recording in many ranges; those
    of one visitor within 10 minutes are one playback. Pure."""

    _begun: OrderedDict[Key, int] = field(default_factory=OrderedDict)

    def is_covered(self, key: Key, now: int) -> bool:
        """Return whether this playback got an entry less than 10 minutes before `now` (ms)."""
        begun_at = self._begun.get(key)
        return begun_at is not None and 0 <= now - begun_at < SAME_PLAYBACK_MS

    def note(self, key: Key, now: int) -> None:
        """Note that this playback got an entry at `now` (ms)."""
        self._begun[key] = now
        self._begun.move_to_end(key)
        if len(self._begun) > _MAX_PLAYBACKS:
            self._begun.popitem(last=False)


class Auditor:
    """Writes audit entries. Its methods raise an `SQLAlchemyError` if an entry cannot be written;
    the caller must then not carry out the action."""

    def __init__(self, audit_log: AuditLog) -> None:
        self._log = audit_log
        self._playbacks = Playbacks()

    async def note(self, request: Request, action: Action, actor: str, detail: str = "") -> None:
        """Record a sign-in, a sign-out, or the end of a session."""
        visitor = visitor_of(request)
        await self._append(AuditEntry(visitor.at, action, actor, visitor.address, detail=detail))

    async def note_audio(self, request: Request, recording: ContactRecording) -> None:
        """Record that a recording is played or downloaded."""
        visitor, action = visitor_of(request), audio_action(request)
        key = (action, visitor.actor, visitor.address, recording.recording_id)
        if "range" in request.headers and self._playbacks.is_covered(key, visitor.at):
            return
        await self._append(_of_audio(visitor, action, recording))
        self._playbacks.note(key, visitor.at)

    async def note_refusal(self, address: str, refusal: TokenRefusal, where: str, now: int) -> None:
        """Log and record a wrong token. If the entry cannot be written, only log that."""
        if not refusal.is_noted:
            return
        log.warning("wrong console token", address=address, attempt=refusal.attempt, where=where)
        detail = f"{where}, attempt {refusal.attempt}"
        try:
            await self._append(AuditEntry(now, Action.FAILED_SIGN_IN, "", address, detail=detail))
        except SQLAlchemyError as error:
            name = type(error).__name__
            log.warning("cannot write a wrong console token to the audit table", error=name)

    async def _append(self, entry: AuditEntry) -> None:
        await run_in_threadpool(self._log.append, entry)
        ACTIONS.labels(entry.action).inc()


def audio_action(request: Request) -> Action:
    """Return the action of a request for audio: playback by a browser's player, or download."""
    wants_file = "download" in request.query_params
    from_player = request.headers.get("sec-fetch-dest") in ("audio", "video")
    return Action.PLAYBACK if from_player and not wants_file else Action.DOWNLOAD


def _of_audio(visitor: Visitor, action: Action, recording: ContactRecording) -> AuditEntry:
    ids = (recording.inum, recording.recording_id)
    return AuditEntry(visitor.at, action, visitor.actor, visitor.address, *ids)
