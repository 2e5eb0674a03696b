"""Observations of a test call. Times are ms of the log's clock."""

from dataclasses import dataclass, field

from schemas.records import (
    HandshakeRefused,
    MediaBatch,
    MediaStreamClosed,
    MediaStreamObserved,
    MediaStreamOpened,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Twilio's answer to a request. `status` 0: there was none; `code`: Twilio's own code, if an
    error has one; `sid`: that of the media stream, if one was started; `at`: when the answer
    arrived."""

    status: int
    code: int | None = None
    message: str = ""
    sid: str | None = None
    at: int = 0

    @property
    def is_success(self) -> bool:
        """Whether Twilio carried the request out."""
        return 200 <= self.status < 300

    @property
    def codes(self) -> str:
        """Status and code, for people."""
        return f"{self.status}" + ("" if self.code is None else f"/{self.code}")

    def __str__(self) -> str:
        return f"{self.codes} {self.message}".strip()


@dataclass(slots=True)
class Observations:
    """All observations of a test call. Requests that were not made are None. `first`, `same_name`,
    `second`, `third`: starts of media streams of generations 1, 1 again, 2 and 3; `while_ringing`:
    a start before the call was answered; `stop_after_end`: a stop of the first after the call;
    `next_page_uri`: of a list with one row a page, empty if there is no next page."""

    while_ringing: Answer | None = None
    first: Answer | None = None
    same_name: Answer | None = None
    second: Answer | None = None
    third: Answer | None = None
    stop_of_second: Answer | None = None
    stop_after_end: Answer | None = None
    next_page_uri: str | None = None
    ended_at: int | None = None
    opened: list[MediaStreamOpened] = field(default_factory=list)
    closed: list[MediaStreamClosed] = field(default_factory=list)
    refused: list[HandshakeRefused] = field(default_factory=list)
    observed: list[MediaStreamObserved] = field(default_factory=list)
    batches: list[MediaBatch] = field(default_factory=list)

    def opened_first(self) -> MediaStreamOpened | None:
        """Return the first media stream of generation 1 that reached a gateway."""
        return next((each for each in self.opened if each.generation == 1), None)

    def closed_of(self, stream_sid: str) -> MediaStreamClosed | None:
        """Return how a media stream ended; None if it is running."""
        return next((each for each in self.closed if each.stream_sid == stream_sid), None)

    def observed_of(self, stream_sid: str) -> MediaStreamObserved | None:
        """Return the gateway's observations of a media stream; None if it has not reported any."""
        return next((each for each in self.observed if each.stream_sid == stream_sid), None)

    def batches_of(self, stream_sid: str) -> list[MediaBatch]:
        """Return the audio of a media stream."""
        return [each for each in self.batches if each.stream_sid == stream_sid]
