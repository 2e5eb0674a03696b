"""Whether each media stream ended when it had to, and not before."""

from collections.abc import Sequence
from datetime import datetime

from simulator.coded.sent import CodedStream
from simulator.script import Json
from tests.system.chaos.brokers import AFTER_OUTAGE_MS
from tests.system.chaos.uptime import Span, down, moment
from tests.system.chaos_audio.run import Played

CLOSED_MS = 5_000
"""A gateway closes the socket of a media stream that is not stopped within this after the stop."""
AROUND_KILL_MS = 2_000


def ends(played: Played) -> list[str]:
    """Return the mistakes about the ends of media streams."""
    wrong: list[str] = []
    lives, until = played.processes.lives, max(played.hung_up.values(), default=0) + 60_000
    kafka = {name: each for name, each in lives.items() if name.startswith("kafka-")}
    gateways = {name: each for name, each in lives.items() if name.startswith("gateway-")}
    outages = [*down(kafka, until, AFTER_OUTAGE_MS), *played.outages]
    killed = [Span(s.begin - AROUND_KILL_MS, s.end + AROUND_KILL_MS) for s in down(gateways, until)]
    for script in played.scripts:
        stopped_at = _stopped_at(played.contacts.get(script.task_sid))
        for coded in played.of_call(script):
            wrong += too_late(coded, stopped_at, outages)
            if is_early(coded, played.hung_up[script.task_sid], killed):
                stream = coded.media_stream
                wrong.append(f"{stream.sid}: ended during its call: {stream.trouble}")
    return wrong


def _stopped_at(contact: Json | None) -> int | None:
    """Return when the stop at the end of a call was decided (ms since the epoch)."""
    last = contact["decisions"][-1:] if contact else []
    if not last or last[0]["decision"] == "record":
        return None
    return round(datetime.fromisoformat(last[0]["at"]).timestamp() * 1000)


def too_late(coded: CodedStream, stopped_at: int | None, outages: Sequence[Span]) -> list[str]:
    """Return the mistake if a media stream ran for too long after the stop."""
    sid, ended_at = coded.media_stream.sid, coded.media_stream.ended_at
    if stopped_at is None or ended_at is None:
        return [f"{sid}: no stop was decided, or it runs still"]
    late = ended_at - moment(stopped_at, outages, CLOSED_MS)
    if late <= CLOSED_MS:
        return []
    return [f"{sid}: ran for {late} ms after the stop, more than {CLOSED_MS}"]


def is_early(coded: CodedStream, hung_up_at: int, killed: Sequence[Span]) -> bool:
    """Whether a media stream ended before its call, and not with a gateway that was killed."""
    ended_at = coded.media_stream.ended_at or 0
    return ended_at < hung_up_at and not any(s.begin <= ended_at <= s.end for s in killed)
