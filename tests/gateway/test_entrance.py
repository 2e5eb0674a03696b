"""Signature and ticket together."""

import time

from gateway.entrance import Admission, Entrance, UsedTickets
from gateway.signature import Verdict, signature
from pipeline.streams.tickets import issued

TOKEN, URL = "an auth token", "wss://voice.example.com/media"
ACCOUNT, CALL = "AC" + "0" * 32, "CA" + "1" * 32


class Clock:
    """Stands still, until it is set."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def judged(entrance: Entrance, segment: str) -> Admission | Verdict:
    """A handshake that Twilio signed."""
    tail = f"/{segment}" if segment else ""
    return entrance.judge(f"/media{tail}", [signature(TOKEN, URL + tail)])


def ticket(clock: Clock, nonce: int = 0) -> str:
    return issued(TOKEN, ACCOUNT, CALL, clock.now, nonce.to_bytes(8))


def test_a_ticket_opens_one_socket_within_a_minute(tmp_path):
    """The same handshake again does not, neither now nor later, nor at a second gateway."""
    clock = Clock()
    first, second = (
        Entrance(TOKEN, URL, UsedTickets(tmp_path / "used"), clock=clock) for _ in range(2)
    )
    text = ticket(clock)
    admission = judged(first, text)
    assert isinstance(admission, Admission)
    assert admission.ticket is not None
    assert (ACCOUNT, CALL) == (admission.ticket.account_sid, admission.ticket.call_sid)
    assert Verdict.TICKET_USED is judged(first, text)
    assert Verdict.TICKET_USED is judged(second, text)
    clock.now += 61
    assert Verdict.TICKET_EXPIRED is judged(first, text)
    assert isinstance(judged(second, ticket(clock, 1)), Admission)


def test_what_is_no_ticket_opens_nothing():
    """Though Twilio signed it."""
    entrance = Entrance(TOKEN, URL, UsedTickets(None), clock=Clock())
    assert Verdict.NO_TICKET is judged(entrance, "")
    assert Verdict.TICKET_FORGED is judged(entrance, "something")
    assert Verdict.WRONG_SIGNATURE is entrance.judge("/media/x", [signature(TOKEN, URL)])


def test_the_bare_url_is_an_option():
    """For media streams that the customer's own flow starts."""
    entrance = Entrance(TOKEN, URL, UsedTickets(None), customer_streams=True, clock=Clock())
    assert Admission(None) == judged(entrance, "")
    assert Verdict.TICKET_FORGED is judged(entrance, "something")


def test_used_tickets_are_forgotten_when_they_are_worth_nothing(tmp_path):
    """Neither memory nor directory grow for ever."""
    clock, used = Clock(), UsedTickets(tmp_path)
    entrance = Entrance(TOKEN, URL, used, clock=clock)
    for number in range(20):
        assert isinstance(judged(entrance, ticket(clock, number)), Admission)
    assert 20 == len(list(tmp_path.iterdir()))
    clock.now = max(path.stat().st_mtime for path in tmp_path.iterdir()) + 1_000
    assert isinstance(judged(entrance, ticket(clock, 99)), Admission)
    assert 1 == len(list(tmp_path.iterdir()))
    assert 1 == len(used._used)
