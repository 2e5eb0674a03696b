"""Check the result of a task that names the leg of another call: its media stream must be stopped
at once, and its recordings must be withheld. Pure."""

from collections.abc import Sequence

from simulator.script import Json, Script
from simulator.world import MediaStream, WorldLeg

MOST_STREAMED_MS = 4500
"""How long a media stream of a leg of another call may run: Twilio is asked about the leg, and 2 s
after the answer it must be stopped."""
LEG_CONTRADICTED = "leg-contradicted"


def streams_of(script: Script, legs: Sequence[WorldLeg]) -> list[MediaStream]:
    """Return the media streams that were started for the script's task, by the time of the
    request. On a leg that two tasks name there may be others."""
    every = [stream for leg in legs for stream in leg.media_streams]
    own = [s for s in every if s.parameters.get("taskSid", script.task_sid) == script.task_sid]
    return sorted(own, key=lambda stream: stream.requested_at)


def foreign_leg_differences(
    foreign_leg: str, streams: Sequence[MediaStream], contact: Json, withheld: Sequence[Json]
) -> list[str]:
    """Return the differences from the expected result. `streams`: of the task; `contact`: without
    withheld recordings; `withheld`: all recordings of the task, as the console shows them on
    request."""
    found = [_streamed(foreign_leg, stream) for stream in streams]
    by_sid = {recording["stream_sid"]: recording for recording in withheld}
    found += [
        f"no recording of the media stream {stream.sid}, withheld or not"
        for stream in streams
        if stream.sent and stream.sid not in by_sid
    ]
    found += [_audible(recording) for recording in withheld]
    if contact["recordings"]:
        found.append("the contact shows recordings of another call's leg")
    if contact["captured_ms"] or contact["capture"] != "missing":
        shown = contact["capture"], contact["captured_ms"]
        found.append(f"audio of another call's leg counts as captured: {shown}")
    return [each for each in found if each]


def _streamed(foreign_leg: str, stream: MediaStream) -> str:
    if stream.call_sid != foreign_leg:
        return f"a media stream ran on {stream.call_sid}, which the task does not name"
    if stream.ended_at is None or stream.ended_at - stream.requested_at > MOST_STREAMED_MS:
        return f"the media stream {stream.sid} of another call's leg was not stopped"
    return ""


def _audible(recording: Json) -> str:
    state = recording["withheld_because"], recording["audio_url"]
    if state == (LEG_CONTRADICTED, None):
        return ""
    return f"the recording of {recording['stream_sid']} is not withheld: {state}"
