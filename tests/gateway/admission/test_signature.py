"""The check of a handshake's signature."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from gateway.admission.signature import (
    Verdict,
    judge,
    other_forms,
    signature,
    signed_form,
    signed_url,
)

TOKEN = "0123456789abcdef"
URL = "wss://voice.example.com/media"


@given(st.text("abc/:.-", max_size=40))
def test_the_signature_is_twilios(url):
    """As twilio's own library computes it for a request without parameters."""
    assert RequestValidator(TOKEN).compute_signature(url, {}) == signature(TOKEN, url)


@pytest.mark.parametrize(
    ("public_url", "path", "url"),
    [
        (URL, "/media", URL),
        (URL, "/media/token-1", URL + "/token-1"),
        (URL, "/media/", None),
        (URL, "/media/a/b", None),
        (URL, "/media?x=1", None),
        (URL, "/media/a?x=1", None),
        (URL, "/mediax", None),
        (URL, "/", None),
        (URL, "/other/media", None),
        (URL + "/", "/media/", URL + "/"),
        (URL + "/", "/media/a", URL + "/a"),
        (URL + "/", "/media", None),
        ("wss://h", "/", "wss://h"),
        ("wss://h", "/a", "wss://h/a"),
        ("wss://h:443/x", "/x", "wss://h:443/x"),
    ],
)
def test_the_signed_url_is_ours_and_one_segment_at_the_most(public_url, path, url):
    """The URL is ours with at most one more segment: Twilio gets no other URL."""
    assert url == signed_url(public_url, path)


def test_a_handshake_is_judged_by_token_path_and_signature():
    """Only Twilio's signature over our own URL opens a socket."""
    good = signature(TOKEN, URL)
    assert Verdict.ACCEPTED is judge([TOKEN], URL, "/media", [good])
    assert Verdict.ACCEPTED is judge([TOKEN], URL, "/media/t", [signature(TOKEN, URL + "/t")])
    assert Verdict.WRONG_SIGNATURE is judge([TOKEN], URL, "/media/t", [good])
    assert Verdict.WRONG_SIGNATURE is judge(["other"], URL, "/media", [good])
    assert Verdict.WRONG_SIGNATURE is judge([TOKEN], URL, "/media", ["\udcff\u20ac"])
    assert Verdict.UNSIGNED is judge([TOKEN], URL, "/media", [])
    assert Verdict.UNSIGNED is judge([TOKEN], URL, "/media", [""])
    assert Verdict.UNSIGNED is judge([TOKEN], URL, "/media", [good, good])
    assert Verdict.UNSIGNED is judge([TOKEN], URL, "/elsewhere", [])
    assert Verdict.WRONG_PATH is judge([TOKEN], URL, "/elsewhere", [good])
    assert Verdict.NO_TOKEN is judge([], URL, "/media", [good])


@pytest.mark.parametrize("url", [URL, "wss://voice.example.com:8443/media", "ws://127.0.0.1:5/m"])
def test_another_form_of_the_url_counts_only_if_it_is_set(url):
    """Twilio might sign the URL without its port, with the usual one, or as one of HTTP: refused,
    and named, unless that form is set; the URL itself counts in any case."""
    path = "/" + url.rpartition("/")[2] + "/ticket"
    for form in other_forms(url):
        signed = [signature(TOKEN, form + "/ticket")]
        assert Verdict.WRONG_SIGNATURE is judge([TOKEN], url, path, signed)
        assert form == signed_form([TOKEN], url, path, signed)
        assert Verdict.ACCEPTED is judge([TOKEN], url, path, signed, signed_as=form)
        assert Verdict.WRONG_SIGNATURE is judge(["other"], url, path, signed, signed_as=form)
        own = [signature(TOKEN, url + "/ticket")]
        assert Verdict.ACCEPTED is judge([TOKEN], url, path, own, signed_as=form)
    foreign = [signature(TOKEN, "wss://elsewhere.example.com/media/ticket")]
    assert signed_form([TOKEN], url, path, foreign) is None
