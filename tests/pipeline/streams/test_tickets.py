"""Tickets in URLs."""

import string
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from pipeline.streams.tickets import Fault, Ticket, examined, issued, url_with

TOKEN, ACCOUNT, CALL = "an auth token", "AC" + "0" * 32, "CA" + "1" * 32
NOW = 1_800_000_000.5
NONCE = bytes(range(8))
TEXT = issued(TOKEN, ACCOUNT, CALL, NOW, NONCE)


@given(st.integers(0, 60))
def test_a_ticket_is_good_for_a_minute(seconds):
    """And says for whom."""
    expected = Ticket(ACCOUNT, CALL, int(NOW) + 60, NONCE.hex())
    assert expected == examined(TOKEN, TEXT, int(NOW) + seconds)


def test_before_and_after_it_is_not():
    """A clock that is some minutes behind ours makes no good ones either."""
    assert Fault.EXPIRED is examined(TOKEN, TEXT, NOW + 61)
    assert Fault.EXPIRED is examined(TOKEN, TEXT, NOW - 200)
    assert isinstance(examined(TOKEN, TEXT, NOW - 60), Ticket)


@given(st.integers(0, len(TEXT) - 1), st.sampled_from(string.ascii_letters + string.digits + "-_"))
def test_a_ticket_that_was_changed_is_none(place, letter):
    """Wherever it was."""
    changed = TEXT[:place] + letter + TEXT[place + 1 :]
    verdict = examined(TOKEN, changed, NOW)
    assert verdict is Fault.FORGED or changed == TEXT or place == len(TEXT) - 1


@given(st.text(max_size=200))
def test_any_text_is_examined(text):
    """Nothing makes it raise."""
    assert Fault.FORGED is examined(TOKEN, text, NOW)


def test_another_key_makes_another_ticket():
    """Each pipeline has its own."""
    assert Fault.FORGED is examined("another", TEXT, NOW)


def test_a_ticket_needs_no_quoting_in_a_path():
    """It comes back as it went."""
    assert quote(TEXT, safe="") == TEXT
    assert "wss://h/media/t" == url_with("wss://h/media", "t")
    assert "wss://h/media/t" == url_with("wss://h/media/", "t")
