"""Judge the assumptions about media streams and their sockets. Pure."""

from collections.abc import Callable, Mapping

from cli.check_call.heard import HeardTrack, heard
from cli.check_call.observations import Observations
from cli.check_call.verdicts import NO_AUDIO, Judged, Status, differs, holds, not_seen
from schemas.records import MediaStreamObserved

HOLE_MS = 1_000
QUIET_MS = 5_000
"""The document is silent for 8 s. This much of it (ms) must be recognized."""
LOUD_FRAMES = 25
LEAST_FRAMES = 50
SOCKET_STAYS_MS = 5_000
LATE_FIRST_MS = 1_000


def first_tracks(seen: Observations) -> Mapping[str, HeardTrack]:
    """Return the tracks of the first media stream."""
    opened = seen.opened_first()
    return {} if opened is None else heard(seen.batches_of(opened.stream_sid))


def _first_observed(seen: Observations) -> MediaStreamObserved | None:
    opened = seen.opened_first()
    return None if opened is None else seen.observed_of(opened.stream_sid)


def _silence(seen: Observations) -> Judged:
    track = first_tracks(seen).get("outbound")
    if track is None or not track.frames:
        return not_seen(NO_AUDIO)
    if track.longest_hole_ms >= HOLE_MS and not track.is_broken:
        return differs(f"nothing was sent for {track.longest_hole_ms} ms of silence")
    if track.longest_quiet_ms < QUIET_MS:
        return not_seen(f"no silence was heard ({track.longest_quiet_ms} ms at most)")
    return holds(f"frames came for {track.longest_quiet_ms} ms of silence")


def _tracks(seen: Observations) -> Judged:
    tracks = first_tracks(seen)
    loud = {name: track.loud_frames for name, track in tracks.items()}
    if loud.get("outbound", 0) >= LOUD_FRAMES:
        return holds("the called party's side hears the document: track outbound")
    if loud.get("inbound", 0) >= LOUD_FRAMES:
        return Status.CHANGE, "the document is on track inbound"
    return not_seen("no sound was heard" if tracks else NO_AUDIO)


def _first_timestamp(seen: Observations) -> Judged:
    observed = _first_observed(seen)
    if observed is None or not observed.tracks:
        return not_seen(NO_AUDIO)
    first = min(track.first_timestamp for track in observed.tracks)
    is_usual = 0 < first <= LATE_FIRST_MS
    return (holds if is_usual else differs)(f"the first timestamp is {first} ms")


def _timestamp_steps(seen: Observations) -> Judged:
    observed = _first_observed(seen)
    if observed is None or not observed.tracks:
        return not_seen(NO_AUDIO)
    uneven = sum(track.uneven_steps for track in observed.tracks)
    if uneven:
        return differs(f"{uneven} steps between frames are not 20 ms")
    return holds("frames are 20 ms apart")


def _chunk(seen: Observations) -> Judged:
    observed = _first_observed(seen)
    tracks = () if observed is None else observed.tracks
    if len(tracks) < 2 or min(track.frames for track in tracks) < LEAST_FRAMES:
        return not_seen("frames of one track only")
    if not all(track.last_chunk for track in tracks):
        return differs("frames have no chunk")
    total = sum(track.frames for track in tracks)
    spans = [track.last_chunk - track.first_chunk + 1 for track in tracks]
    own = sum(abs(span - t.frames) for span, t in zip(spans, tracks, strict=True))
    overall = sum(abs(span - total) for span in spans)
    if own <= overall:
        return holds("chunk counts per track")
    return differs("chunk counts over both tracks")


def _ping(seen: Observations) -> Judged:
    pings = sum(each.pings for each in seen.observed)
    pongs = sum(each.pongs for each in seen.observed)
    if pongs:
        return holds(f"{pongs} of {pings} pings were answered")
    return differs(f"none of {pings} pings was answered") if pings > 1 else not_seen("no ping")


def _stop_message(seen: Observations) -> Judged:
    ended = [each for each in seen.observed if seen.closed_of(each.stream_sid)]
    missing = [
        each for each in ended
        if not each.stop_seen and _reason(seen, each.stream_sid) == "dropped"
    ]  # fmt: skip
    if missing:
        return differs(f"{len(missing)} of {len(ended)} sockets closed without a stop message")
    if any(each.stop_seen for each in ended):
        return holds("a stop message comes before the socket closes")
    return not_seen(NO_AUDIO)


def _reason(seen: Observations, stream_sid: str) -> str:
    closed = seen.closed_of(stream_sid)
    return "" if closed is None else closed.reason


def _socket_after_call(seen: Observations) -> Judged:
    opened = seen.opened_first()
    if opened is None or seen.ended_at is None:
        return not_seen(NO_AUDIO)
    closed = seen.closed_of(opened.stream_sid)
    if closed is None:
        return differs("the socket was still open when the test ended")
    after = closed.at - seen.ended_at
    if after > SOCKET_STAYS_MS:
        return differs(f"the socket stayed open for {after} ms after the call")
    return holds("the socket closes with the call")


def _second_socket(seen: Observations) -> Judged:
    if any(each.reason == "ticket-used" for each in seen.refused):
        return differs("a second socket came for one media stream, and was refused")
    return holds("one socket for each media stream") if seen.opened else not_seen(NO_AUDIO)


def _signature_url(seen: Observations) -> Judged:
    wrong = next((each for each in seen.refused if each.reason == "wrong-url"), None)
    if wrong is not None and not seen.opened:
        form = f": {wrong.detail}" if wrong.detail else ", in no form that is known"
        return Status.CHANGE, f"Twilio signs another form of the public URL{form}"
    if seen.opened:
        return holds("the signature is over the URL of the start request")
    return not_seen(NO_AUDIO)


MEDIA: Mapping[str, Callable[[Observations], Judged]] = {
    "silence": _silence,
    "chunk": _chunk,
    "first-timestamp": _first_timestamp,
    "timestamp-steps": _timestamp_steps,
    "tracks": _tracks,
    "ping": _ping,
    "stop-message": _stop_message,
    "socket-after-call": _socket_after_call,
    "second-socket": _second_socket,
    "signature-url": _signature_url,
}
"""By the name of the assumption."""
