"""Tickets in URLs."""

import math
import string
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from pipeline.twilio.tickets import Ticket, is_ticket, issued, url_with, verified

TOKEN, ACCOUNT, CALL, TASK = "an auth token", "AC" + "0" * 32, "CA" + "1" * 32, "WT" + "2" * 32
NOW = 1_800_000_000.5
NONCE = bytes(range(8))
TEXT = issued(TOKEN, ACCOUNT, CALL, TASK, 7, now=NOW, nonce=NONCE)
TICKET = Ticket(ACCOUNT, CALL, TASK, 7, int(NOW) + 60, NONCE.hex())


def test_a_ticket_says_for_which_media_stream_it_is_good():
    """Account, leg, task, generation, and until when."""
    assert TICKET == verified([TOKEN], TEXT)


@given(st.floats(-1_000, 1_000))
def test_a_ticket_is_good_for_a_minute(seconds):
    """Outside of it, and of what clocks may differ, it says by how much."""
    off = TICKET.seconds_off(TICKET.expires_at + seconds)
    if -180 <= seconds <= 0:
        assert off == 0
    else:
        assert math.isclose(off, seconds if seconds > 0 else seconds + 180, abs_tol=1e-5)


@given(st.integers(0, len(TEXT) - 1), st.sampled_from(string.ascii_letters + string.digits + "-_"))
def test_a_ticket_that_was_changed_is_not_genuine(place, letter):
    """Whichever letter was changed."""
    changed = TEXT[:place] + letter + TEXT[place + 1 :]
    assert verified([TOKEN], changed) is None or changed == TEXT or place == len(TEXT) - 1


@given(st.text(max_size=200))
def test_any_text_is_examined(text):
    """Nothing makes it raise."""
    assert verified([TOKEN], text) is None
    assert not is_ticket(text)


@given(st.text(max_size=80), st.text(max_size=80))
def test_odd_sids_make_no_gateway_fail(call, task):
    """A ticket made of them is one for exactly them, or none."""
    ticket = verified([TOKEN], issued(TOKEN, ACCOUNT, call, task, 7, now=NOW, nonce=NONCE))
    if " " not in call:
        assert ticket is not None
        assert (call, task) == (ticket.call_sid, ticket.task_sid)


def test_another_token_makes_another_ticket():
    """It can still be recognized as a ticket."""
    assert verified(["another"], TEXT) is None
    assert is_ticket(TEXT)


def test_a_ticket_needs_no_quoting_in_a_path():
    """It comes back as it went."""
    assert quote(TEXT, safe="") == TEXT
    assert "wss://h/media/t" == url_with("wss://h/media", "t")
    assert "wss://h/media/t" == url_with("wss://h/media/", "t")
