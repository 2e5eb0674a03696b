"""Recognize calls that became known only hours later, from Twilio's lists. Pure.

Events that were never delivered are added from Twilio's lists, hours or days later. If the end of
such a call is missing from the lists too, the call seems to be in progress, but no media stream
must be started.
"""

from pipeline.calls.added import ADDED
from pipeline.calls.lifetime import FORGOTTEN_AFTER_MS
from pipeline.calls.view import CallView
from schemas.records import Call, CallStreams


def is_stale(state: CallStreams, call: Call, seen: CallView, now: int) -> bool:
    """Return whether no media stream may be started for the call at `now` (ms): some of its events
    were added, none of its agents accepted within the last 4 hours, and nothing was ever streamed.

    Within 4 hours, Event Streams may still deliver the end of a call.
    """
    if ADDED not in call.milestones or any(m.generation for m in state.media_streams):
        return False
    started = [s.started_at for s in seen.sessions if s.is_open and s.started_at is not None]
    return all(now - at >= FORGOTTEN_AFTER_MS for at in started)
