"""Assumptions about Twilio that the simulator can break: each name is one of docs/assumptions.md.

By default the simulator behaves as the page's column "usual" says. For each name in `World.unlike`
it behaves in the other way.
"""

from collections.abc import Mapping
from enum import StrEnum


class Unlike(StrEnum):
    """An assumption about Twilio. The value is its name on the page."""

    SILENCE = "silence"
    CHUNK = "chunk"
    FIRST_TIMESTAMP = "first-timestamp"
    TIMESTAMP_STEPS = "timestamp-steps"
    TRACKS = "tracks"
    PING = "ping"
    STOP_MESSAGE = "stop-message"
    SOCKET_AFTER_CALL = "socket-after-call"
    SECOND_SOCKET = "second-socket"
    SIGNATURE_URL = "signature-url"
    START_ANSWER = "start-answer"
    START_WHILE_RINGING = "start-while-ringing"
    SAME_NAME = "same-name"
    STOP_AFTER_END = "stop-after-end"
    TRACK_LIMIT = "track-limit"
    PAGING = "paging"
    PARTICIPANT_STATUS = "participant-status"
    LABELS = "labels"
    CONFERENCE_CALLBACKS = "conference-callbacks"
    CALLBACK_ORDER = "callback-order"
    EVENT_TIMES = "event-times"
    EVENT_ENVELOPE = "event-envelope"
    EVENT_ARRAYS = "event-arrays"
    CONFERENCE_ATTRIBUTE = "conference-attribute"
    HELD_CUSTOMER = "held-customer"


OTHERWISE: Mapping[Unlike, str] = {
    Unlike.SILENCE: "sends no frames while a track is silent",
    Unlike.CHUNK: "counts `chunk` over both tracks",
    Unlike.FIRST_TIMESTAMP: "begins with timestamp 0",
    Unlike.TIMESTAMP_STEPS: "lets the outbound track's timestamps jump by 19 ms, once",
    Unlike.TRACKS: "names the leg's own voice `outbound`",
    Unlike.PING: "answers no ping",
    Unlike.STOP_MESSAGE: "closes the socket without a `stop` message",
    Unlike.SOCKET_AFTER_CALL: "keeps the socket open after the call, without a `stop` message",
    Unlike.SECOND_SOCKET: "opens a second socket for the same media stream",
    Unlike.SIGNATURE_URL: "signs the URL without its port",
    Unlike.START_ANSWER: "answers a start after the socket is open",
    Unlike.START_WHILE_RINGING: "takes a start on a ringing leg, and does not list it as ringing",
    Unlike.SAME_NAME: "starts a second media stream under a name that runs already",
    Unlike.STOP_AFTER_END: "answers a stop after the call's end with 21220",
    Unlike.TRACK_LIMIT: "allows 2 tracks on a call",
    Unlike.PAGING: "gives one row a page, and absolute URLs of the next page",
    Unlike.PARTICIPANT_STATUS: "lists participants without a status",
    Unlike.LABELS: "labels no participant",
    Unlike.CONFERENCE_CALLBACKS: "sends no conference callbacks",
    Unlike.CALLBACK_ORDER: "sends callbacks without `SequenceNumber`",
    Unlike.EVENT_TIMES: "gives TaskRouter's times as epoch seconds",
    Unlike.EVENT_ENVELOPE: "leaves `time` and `datacontenttype` out of events",
    Unlike.EVENT_ARRAYS: "puts several events into one Kinesis record, as an array",
    Unlike.CONFERENCE_ATTRIBUTE: "never writes the conference into a task's attributes",
    Unlike.HELD_CUSTOMER: "names another leg as the customer's while the customer is on hold",
}
"""The behaviour of the simulated Twilio if an assumption does not hold."""

NONE: frozenset[Unlike] = frozenset()


class UnknownName(ValueError):
    """A name is not an assumption; the text lists all names."""


def parsed(text: str) -> frozenset[Unlike]:
    """Return the assumptions that a list with commas names. Raise `UnknownName`."""
    names = [name for part in text.split(",") if (name := part.strip().lower())]
    known = {each.value for each in Unlike}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UnknownName(
            f"no assumption is called {', '.join(unknown) or repr(text)}; {_listed()}"
        )
    return frozenset(map(Unlike, names))


def _listed() -> str:
    return "the names are: " + ", ".join(each.value for each in Unlike)
