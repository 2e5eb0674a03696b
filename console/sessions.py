"""Sessions: they begin with a sign-in, are found by a cookie, and end on the server."""

import hmac
import secrets
from collections.abc import Sequence

from pipeline.store.sessions import ConsoleSession, SessionStore

IDLE_MS = 30 * 60 * 1000
ABSOLUTE_MS = 12 * 60 * 60 * 1000
NOTED_EVERY_MS = 30 * 1000
"""Activity is written to the database at most this often."""
_MAX_COOKIE = 100


class Sessions:
    """The sessions of a console. All methods block, and raise the errors of `SessionStore`. `now`
    is in ms since the Unix epoch.

    The cookie is random. The database has a hash of it that is keyed with the console's token. When
    a token is no longer accepted, the cookies that were keyed with it become invalid.
    """

    def __init__(self, store: SessionStore, tokens: Sequence[str]) -> None:
        self._store = store
        self._keys = [token.encode() for token in tokens]

    def begin(self, address: str, user_agent: str, now: int) -> tuple[ConsoleSession, str]:
        """Begin a session. Return it with the value of its cookie, which is stored nowhere."""
        self._store.delete_expired(now - ABSOLUTE_MS, now - IDLE_MS)
        cookie = secrets.token_urlsafe(32)
        session = ConsoleSession(secrets.token_hex(8), now, now, address, user_agent)
        self._store.add(session, self._hashes(cookie)[0])
        return session, cookie

    def find(self, cookie: str, now: int) -> ConsoleSession | None:
        """Return the session of a cookie, if it has not ended or expired."""
        if not 0 < len(cookie) <= _MAX_COOKIE:
            return None
        found = filter(None, map(self._store.find, self._hashes(cookie)))
        return next((session for session in found if is_valid(session, now)), None)

    def note_activity(self, session: ConsoleSession, now: int) -> None:
        """Restart the session's idle time."""
        if now - session.active_at >= NOTED_EVERY_MS:
            self._store.touch(session.session_id, now)

    def end(self, session_id: str) -> bool:
        """End a session. Return whether there was one."""
        return self._store.end(session_id)

    def valid(self, now: int) -> list[ConsoleSession]:
        """Return the sessions that have not ended or expired, the latest first."""
        return self._store.valid(now - ABSOLUTE_MS, now - IDLE_MS)

    def _hashes(self, cookie: str) -> list[str]:
        return [hmac.digest(key, cookie.encode(), "sha256").hex() for key in self._keys]


def is_valid(session: ConsoleSession, now: int) -> bool:
    """Return whether a session is within the idle limit and the absolute limit."""
    return now - session.active_at < IDLE_MS and now - session.started_at < ABSOLUTE_MS


def expires_at(session: ConsoleSession) -> int:
    """Return when a session expires if it is not used again (ms since the Unix epoch)."""
    return min(session.active_at + IDLE_MS, session.started_at + ABSOLUTE_MS)
