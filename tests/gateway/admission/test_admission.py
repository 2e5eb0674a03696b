"""Signature and ticket together."""

import os

from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.admission import Admission, Entrance, HandshakeDenied, UsedTickets
from gateway.admission.signature import Verdict, signature
from pipeline.log_time import Measurement, OffsetEstimate
from pipeline.twilio.tickets import issued, verified

TOKEN, URL = "an auth token", "wss://voice.example.com/media"
ACCOUNT, CALL, TASK = "AC" + "0" * 32, "CA" + "1" * 32, "WT" + "2" * 32


class Clock:
    """The log's clock. Stands still, until it is set; `is_known` False: it was not measured."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.is_known = True

    def __call__(self) -> float | None:
        return self.now if self.is_known else None


def handshake(
    entrance: Entrance, segment: str, *, token: str = TOKEN, url: str = URL, full: bool = False
) -> Admission | HandshakeDenied:
    """A handshake that Twilio signed, with this token for this URL."""
    tail = f"/{segment}" if segment else ""
    return entrance.judge(f"/media{tail}", [signature(token, url + tail)], full=full)


def verdict(judged: Admission | HandshakeDenied) -> Verdict:
    return Verdict.ACCEPTED if isinstance(judged, Admission) else judged.verdict


def ticket(clock: Clock, nonce: int = 0, token: str = TOKEN) -> str:
    return issued(token, ACCOUNT, CALL, TASK, 3, now=clock.now, nonce=nonce.to_bytes(8))


def test_a_ticket_opens_one_socket_within_a_minute(tmp_path):
    """The same handshake again does not, neither now nor later, nor at a second gateway."""
    clock = Clock()
    first, second = (
        Entrance([TOKEN], URL, UsedTickets(tmp_path / "used"), ticket_secrets=[TOKEN], clock=clock)
        for _ in range(2)
    )
    text = ticket(clock)
    admission = handshake(first, text)
    assert isinstance(admission, Admission)
    assert admission.ticket is not None
    assert (ACCOUNT, CALL, TASK, 3) == (
        admission.ticket.account_sid,
        admission.ticket.call_sid,
        admission.ticket.task_sid,
        admission.ticket.generation,
    )
    assert Verdict.TICKET_USED is verdict(handshake(first, text))
    assert Verdict.TICKET_USED is verdict(handshake(second, text))
    clock.now += 61
    assert Verdict.TICKET_EXPIRED is verdict(handshake(first, text))
    assert Verdict.ACCEPTED is verdict(handshake(second, ticket(clock, 1)))


def test_what_is_no_ticket_opens_nothing():
    """Though Twilio signed it."""
    entrance = Entrance([TOKEN], URL, UsedTickets(None), ticket_secrets=[TOKEN], clock=Clock())
    assert HandshakeDenied(Verdict.NO_TICKET) == handshake(entrance, "")
    assert HandshakeDenied(Verdict.TICKET_FORGED) == handshake(entrance, "something")
    assert HandshakeDenied(Verdict.WRONG_SIGNATURE) == entrance.judge(
        "/media/x", [signature(TOKEN, URL)]
    )


def test_a_refusal_says_which_setting_is_wrong():
    """It distinguishes token, URL and clocks, and names the ticket if that is genuine."""
    clock = Clock()
    here = Entrance([TOKEN], URL, UsedTickets(None), ticket_secrets=[TOKEN], clock=clock)
    text, foreign = ticket(clock), ticket(clock, token="another token")
    genuine = verified([TOKEN], text)
    assert genuine is not None
    assert HandshakeDenied(Verdict.WRONG_TOKEN) == handshake(here, foreign, token="another token")
    elsewhere = "wss://elsewhere.example.com/media"
    assert HandshakeDenied(Verdict.WRONG_URL, genuine) == handshake(here, text, url=elsewhere)
    other_path = here.judge(f"/other/{text}", [signature(TOKEN, f"wss://h/other/{text}")])
    assert HandshakeDenied(Verdict.WRONG_URL, genuine) == other_path
    assert HandshakeDenied(Verdict.WRONG_PATH) == here.judge("/other/x", ["signed"])
    assert HandshakeDenied(Verdict.UNSIGNED, genuine) == here.judge(f"/media/{text}", [])
    assert HandshakeDenied(Verdict.UNSIGNED) == here.judge("/media/x", [])
    issued_at = clock.now
    clock.now = genuine.expires_at + 5.0
    assert HandshakeDenied(Verdict.TICKET_EXPIRED, genuine, 5.0) == handshake(here, text)
    clock.now = genuine.expires_at - 200.0
    assert HandshakeDenied(Verdict.TICKET_AHEAD, genuine, -20.0) == handshake(here, text)
    clock.now = issued_at
    assert Verdict.ACCEPTED is verdict(handshake(here, text)), "no refusal used it up"


def test_a_refusal_names_the_form_of_the_url_that_was_signed():
    """If it is one that is known; set as the signed URL, it opens the socket."""
    clock, form = Clock(), URL.replace("wss:", "https:")
    entrance = Entrance([TOKEN], URL, UsedTickets(None), ticket_secrets=[TOKEN], clock=clock)
    text = ticket(clock)
    refused = handshake(entrance, text, url=form)
    assert HandshakeDenied(Verdict.WRONG_URL, verified([TOKEN], text), signed_form=form) == refused
    tolerant = Entrance(
        [TOKEN], URL, UsedTickets(None), ticket_secrets=[TOKEN], signed_url=form, clock=clock
    )
    assert Verdict.ACCEPTED is verdict(handshake(tolerant, text, url=form))
    assert Verdict.ACCEPTED is verdict(handshake(tolerant, ticket(clock, 7)))


def test_without_room_a_ticket_is_not_used_up():
    """The refusal names the call; a stranger is refused as a stranger."""
    clock = Clock()
    entrance = Entrance([TOKEN], URL, UsedTickets(None), ticket_secrets=[TOKEN], clock=clock)
    text = ticket(clock)
    assert HandshakeDenied(Verdict.FULL, verified([TOKEN], text)) == handshake(
        entrance, text, full=True
    )
    assert HandshakeDenied(Verdict.UNSIGNED) == entrance.judge("/media/x", [], full=True)
    assert Verdict.ACCEPTED is verdict(handshake(entrance, text))


def test_the_bare_url_is_an_option():
    """For media streams that the customer's own flow starts."""
    entrance = Entrance(
        [TOKEN],
        URL,
        UsedTickets(None),
        ticket_secrets=[TOKEN],
        customer_streams=True,
        clock=Clock(),
    )
    assert Admission(None) == handshake(entrance, "")
    assert HandshakeDenied(Verdict.TICKET_FORGED) == handshake(entrance, "something")


def test_used_tickets_are_forgotten_when_they_are_worth_nothing(tmp_path):
    """Neither memory nor directory grows without limit."""
    clock, used = Clock(), UsedTickets(tmp_path)
    entrance = Entrance([TOKEN], URL, used, ticket_secrets=[TOKEN], clock=clock)
    for number in range(20):
        assert isinstance(handshake(entrance, ticket(clock, number)), Admission)
    assert 20 == len(list(tmp_path.iterdir()))
    clock.now += 1_000
    assert isinstance(handshake(entrance, ticket(clock, 99)), Admission)
    assert 1 == len(list(tmp_path.iterdir()))
    assert 1 == len(used._used)


def test_used_tickets_outlive_a_machine_whose_clock_is_wrong(tmp_path):
    """The dates of files are the machine's, and do not matter."""
    clock = Clock()
    first, second = (
        Entrance([TOKEN], URL, UsedTickets(tmp_path), ticket_secrets=[TOKEN], clock=clock)
        for _ in range(2)
    )
    text = ticket(clock)
    assert Verdict.ACCEPTED is verdict(handshake(first, text))
    for path in tmp_path.iterdir():
        os.utime(path, (clock.now - 3_600, clock.now - 3_600))
    clock.now += 50
    assert Verdict.ACCEPTED is verdict(handshake(second, ticket(clock, 1)))
    assert Verdict.TICKET_USED is verdict(handshake(second, text))


def test_while_the_log_clock_is_unknown_only_the_time_of_a_ticket_is_not_checked(tmp_path):
    """A ticket still opens only one socket, also after the clock became known."""
    clock = Clock()
    entrance = Entrance([TOKEN], URL, UsedTickets(tmp_path), ticket_secrets=[TOKEN], clock=clock)
    text, foreign = ticket(clock), ticket(clock, 1, token="another token")
    clock.now -= 3_600
    clock.is_known = False
    assert Verdict.ACCEPTED is verdict(handshake(entrance, text))
    assert Verdict.TICKET_USED is verdict(handshake(entrance, text))
    assert Verdict.TICKET_FORGED is verdict(handshake(entrance, foreign))
    clock.is_known = True
    clock.now += 3_600
    assert Verdict.TICKET_USED is verdict(handshake(entrance, text))


@given(st.integers(-3_600, 3_600), st.integers(-3_600, 3_600), st.floats(0, 59))
def test_no_handshake_is_refused_because_of_a_machine_s_clock(adapter_s, gateway_s, passed_s):
    """The machines of adapter and gateway are wrong by up to an hour, and both know the log's
    clock."""
    adapter, gateway = (_measured(wrong_s) for wrong_s in (adapter_s, gateway_s))
    now = 1_700_000_000.0
    text = issued(TOKEN, ACCOUNT, CALL, TASK, 3, now=adapter(now), nonce=bytes(8))
    entrance = Entrance(
        [TOKEN],
        URL,
        UsedTickets(None),
        ticket_secrets=[TOKEN],
        clock=lambda: gateway(now + passed_s),
    )
    assert Verdict.ACCEPTED is verdict(handshake(entrance, text))


def _measured(wrong_s):
    """Return the log's clock after one measurement, on a machine with a wrong clock."""
    estimate, uptime_s = OffsetEstimate(), 1_000.0 + wrong_s
    at = 1_700_000_000.0
    estimate.take(Measurement(uptime_s * 1000, uptime_s * 1000 + 4, round(at * 1000) + 2))
    return lambda now: ((uptime_s + now - at) * 1000 + estimate.offset) / 1000
