"""Decide when to warn of refused handshakes and how many to report (Sans-I/O).

Anyone can connect. Only a handshake with a genuine ticket, or with a wrong signature, indicates
that a call is not recorded.
"""

from gateway.admission.signature import Verdict

WINDOW_S = 60.0
MAX_REPORTS = 100
"""Per second."""

_WRONG_SIGNATURE = (
    "check that FLEXCAPTURE_TWILIO_AUTH_TOKEN is the account's primary auth token, and "
    "FLEXCAPTURE_GATEWAY_PUBLIC_URL is exactly the URL that Twilio is given"
)
_CLOCKS = (
    "check that the topic `clock` has message.timestamp.type=LogAppendTime, so that gateways and "
    "Twilio adapters use the same clock, or synchronise the clocks of their machines (NTP)"
)
REMEDIES = {
    Verdict.WRONG_SIGNATURE: _WRONG_SIGNATURE,
    Verdict.WRONG_TOKEN: (
        "the start request was made with another auth token: check that "
        "FLEXCAPTURE_TWILIO_AUTH_TOKEN is the same for the gateways and the Twilio adapters"
    ),
    Verdict.WRONG_URL: (
        "the handshake was not signed for this gateway's URL: check that "
        "FLEXCAPTURE_GATEWAY_PUBLIC_URL is the same for the gateways and the Twilio adapters, and "
        "that FLEXCAPTURE_TWILIO_AUTH_TOKEN is the account's primary auth token"
    ),
    Verdict.UNSIGNED: "the signature header is missing: check that no proxy removes it",
    Verdict.TICKET_EXPIRED: f"Twilio took more than a minute to connect, or {_CLOCKS}",
    Verdict.TICKET_AHEAD: f"the ticket's time is in the future: {_CLOCKS}",
    Verdict.TICKET_USED: "a handshake was repeated: check that no proxy repeats requests",
    Verdict.FULL: "Kafka takes no audio and the buffer is full: check Kafka",
}


class Refusals:
    """Counts refused handshakes. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._accepted_at = float("-inf")
        self._refused_at = float("-inf")
        self._verdict: Verdict | None = None
        self._count = 0
        self._second = 0
        self._reported = 0

    def accepted(self, now: float) -> None:
        """Note an accepted handshake: the count of refused ones starts again."""
        self._accepted_at, self._count = now, 0

    def refused(self, verdict: Verdict, now: float, *, genuine: bool) -> None:
        """Count a refused handshake, if it indicates a lost call. `genuine`: it showed a genuine
        ticket."""
        if not genuine and verdict not in (
            Verdict.WRONG_SIGNATURE,
            Verdict.WRONG_TOKEN,
        ):
            return
        if now - self._refused_at > WINDOW_S:
            self._count = 0
        self._refused_at, self._verdict = now, verdict
        self._count += 1

    def may_report(self, now: float) -> bool:
        """Return whether to report one more refused handshake in this second, and count it."""
        if int(now) != self._second:
            self._second, self._reported = int(now), 0
        self._reported += 1
        return self._reported <= MAX_REPORTS

    def warning(self, now: float) -> str | None:
        """Return a warning if handshakes were refused in the last minute and none was accepted."""
        if self._verdict is None or now - self._refused_at > WINDOW_S:
            return None
        if now - self._accepted_at <= WINDOW_S:
            return None
        remedy = REMEDIES.get(self._verdict, "")
        return (
            f"{self._count} handshakes were refused since one was accepted, the last one as "
            f"{self._verdict.value}; {remedy}".rstrip("; ")
        )
