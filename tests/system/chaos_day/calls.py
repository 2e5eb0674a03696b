"""A call of the day: its records on `calls` and `stream.events`, and what Twilio sends of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from gateway.sessions import MediaSession
from pipeline.calls.view import derived
from schemas.records import Call, Fact, RecordingDecided, Reservation
from simulator.coded.frames import text
from simulator.expected import TRACKS
from tests.system.chaos_day.plan import PlannedCall

STEP_MS = 20
AGENT = "agent@example.com"


@dataclass(slots=True)
class DayCall:
    """`begins` and `ends`: log time, ms. `number`: of its media stream in the run. `sent`: how many
    frames of each track the gateway received."""

    number: int
    planned: PlannedCall
    begins: int
    ends: int
    task_sid: str
    call_sid: str
    stream_sid: str
    sent: int = 0
    session: MediaSession | None = None
    is_over: bool = False
    _sequence: int = 1
    _frames: int = field(default=0)

    @classmethod
    def of(cls, number: int, planned: PlannedCall, day: int, random: Random) -> "DayCall":
        """Return the call of a day that began at `day` (ms)."""
        begins, ends = (day + round(minute * 60_000) for minute in (planned.begins, planned.ends))
        sids = (f"{kind}{random.getrandbits(128):032x}" for kind in ("WT", "CA", "MZ"))
        return cls(number, planned, begins, ends, *sids)

    def start(self) -> bytes:
        """Return the message with which the media stream begins."""
        parameters = {"taskSid": self.task_sid, "callSid": self.call_sid, "generation": "1"}
        start = {
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "customParameters": parameters,
        }
        return json.dumps({"event": "start", "sequenceNumber": "1", "start": start}).encode()

    def media(self, until: int) -> Iterator[bytes]:
        """Yield the messages of the frames that are due by `until` (log time, ms)."""
        while self.begins + STEP_MS * self._frames < min(until, self.ends):
            for track in TRACKS:
                self._sequence += 1
                payload = text(self.number, track, self._frames).decode()
                yield (
                    f'{{"event":"media","sequenceNumber":"{self._sequence}",'
                    f'"streamSid":"{self.stream_sid}","media":{{"track":"{track}",'
                    f'"timestamp":"{100 + STEP_MS * self._frames}","payload":"{payload}"}}}}'
                ).encode()
            self._frames += 1
        self.sent = self._frames

    def stop(self) -> bytes:
        """Return the message with which it ends."""
        return b'{"event":"stop","sequenceNumber":"%d"}' % (self._sequence + 1)

    def decided(self, decision: str, at: int) -> RecordingDecided:
        """Return a decision on it."""
        return RecordingDecided(self.task_sid, at, decision, f"{decision}: the day's plan", 1)

    def call(self, *, ended: bool) -> Call:
        """Return a version of the call: accepted at its beginning, and over at its end."""
        milestones = {"created": self.begins - 5_000, "accepted": self.begins}
        if ended:
            milestones["wrapup"] = self.ends
        facts = {
            "direction": "inbound",
            "customer": "+15550001111",
            "customer_call_sid": self.call_sid,
            "queue": "Day",
        }
        first = self.begins - 5_000
        return derived(
            Call(
                task_sid=self.task_sid,
                revision=2 if ended else 1,
                cause_event_id="EV" + self.task_sid[2:],
                cause_type="day",
                cause_at=self.ends if ended else self.begins,
                first_event_at=first,
                latest_event_at=self.ends if ended else self.begins,
                latest_arrival_at=self.ends if ended else self.begins,
                facts={name: Fact(value, 0, first, "EV1") for name, value in facts.items()},
                milestones={"created": first, **({"wrapup": self.ends} if ended else {})},
                reservations=(
                    Reservation(
                        "WR" + self.task_sid[2:],
                        {"extension": Fact(AGENT, 0, first, "EV1")},
                        milestones,
                    ),
                ),
                transfers=(),
                legs=(),
                direction=None,
                state="",
                connections=(),
            )
        )
