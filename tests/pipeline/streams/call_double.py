"""The call around the stream manager, as the tracker publishes it."""

from dataclasses import dataclass, field, replace

from schemas.records import Call, ReportedStream, Reservation
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, call, facts, reservation


@dataclass
class CallDouble:
    """A call with monitored agents that come and leave. A subclass delivers its versions."""

    now: int = 1_000_000
    wanted: bool = False
    reservations: tuple[Reservation, ...] = ()
    reports: dict[str, ReportedStream] = field(default_factory=dict)
    revision: int = 0
    leg: str | None = CUSTOMER_LEG
    direction: str = "inbound"

    def _publish(self, source: str, record: Call) -> None:
        raise NotImplementedError

    def want(self) -> None:
        """A monitored agent accepts."""
        if not self.wanted:
            fresh = replace(
                reservation(ANN, created=self.now, accepted=self.now),
                sid=f"WR{len(self.reservations)}",
            )
            self.reservations = (*self.reservations, fresh)
            self.wanted = True
            self.publish_call()

    def unwant(self) -> None:
        """The agent leaves."""
        if self.wanted:
            *others, last = self.reservations
            over = replace(last, milestones={**last.milestones, "wrapup": self.now})
            self.reservations = (*others, over)
            self.wanted = False
            self.publish_call()

    def report(self, stream_sid: str, milestone: str) -> None:
        """Twilio's status callback reports a media stream: `stopped` or `error`."""
        before = self.reports.get(stream_sid) or ReportedStream(stream_sid, facts(), {})
        milestones = {**before.milestones, milestone: self.now}
        self.reports[stream_sid] = replace(before, milestones=milestones)
        self.publish_call()

    def publish_call(self) -> None:
        """The tracker publishes a version of the call."""
        self.revision += 1
        self._publish("calls", self.version())

    def version(self) -> Call:
        """The call as it is."""
        made = call(
            *self.reservations,
            revision=self.revision,
            customer_call_sid=self.leg,
            direction=self.direction,
        )
        return replace(made, media_streams=tuple(self.reports.values()))
