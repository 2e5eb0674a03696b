"""Judgements about the public URL, at their limits."""

from typing import Any

import pytest

from cli.twilio.doctor import judging_gateway as judging
from cli.twilio.doctor.facts import TlsFacts
from cli.twilio.doctor.results import CheckTrouble
from pipeline.check_results import CheckStatus
from tests.cli.twilio.doctor.healthy import DAY, HEALTHY, NOW, of_account, of_gateway

OK, WARNING, FAILURE = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.FAILURE
JUDGES = (
    judging.gateway_dns, judging.gateway_certificate, judging.gateway_tls, judging.load_balancer,
    judging.signature_required, judging.signed_handshake,
)  # fmt: skip
CERTIFICATE = CheckTrouble("SSL: CERTIFICATE_VERIFY_FAILED")


def statuses(**changes: Any) -> list[CheckStatus]:
    """Return the judgements, in the order of `JUDGES`."""
    return [judge(of_gateway(**changes)(HEALTHY)).status for judge in JUDGES]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [OK] * 6),
        ({"is_needed": False, "url": None}, [OK] * 6),
        ({"url": None, "unsigned": None}, [FAILURE] + [WARNING] * 5),
        ({"addresses": CheckTrouble("x"), "unsigned": None}, [FAILURE] + [WARNING] * 5),
        ({"tls": CERTIFICATE, "unsigned": None}, [OK, FAILURE] + [WARNING] * 4),
        ({"tls": CheckTrouble("x"), "unsigned": None}, [OK, WARNING, FAILURE] + [WARNING] * 3),
        ({"unsigned": 502}, [OK, OK, OK, FAILURE, WARNING, WARNING]),
        ({"unsigned": 101}, [OK, OK, OK, OK, FAILURE, OK]),
        ({"signed": 403}, [OK, OK, OK, OK, OK, FAILURE]),
    ],
)
def test_only_the_first_broken_link_fails(
    changes: dict[str, Any], expected: list[CheckStatus]
) -> None:
    """Those behind it cannot be checked. Without a media stream no gateway is needed."""
    assert expected == statuses(**changes)


@pytest.mark.parametrize(
    ("version", "is_good"),
    [
        ("TLSv1.3", True), ("TLSv1.2", True), ("TLSv1.1", False), ("TLSv1", False),
        ("SSLv3", False),
    ],
)  # fmt: skip
def test_tls_must_be_new_enough(version: str, is_good: bool) -> None:
    """Twilio refuses older versions."""
    facts = of_gateway(tls=TlsFacts(version, NOW + 60 * DAY))(HEALTHY)
    assert (OK if is_good else FAILURE) is judging.gateway_tls(facts).status


@pytest.mark.parametrize(("days", "status"), [(14, OK), (13.9, WARNING), (0.2, WARNING)])
def test_a_certificate_is_renewed_two_weeks_before_its_end(
    days: float, status: CheckStatus
) -> None:
    """An expired one is refused at the connection."""
    facts = of_gateway(tls=TlsFacts("TLSv1.3", NOW + round(days * DAY)))(HEALTHY)
    assert status is judging.gateway_certificate(facts).status


def test_a_gateway_on_this_machine_needs_no_tls() -> None:
    """It is for tests."""
    facts = of_gateway(tls=None, url="ws://127.0.0.1:1/media")(HEALTHY)
    for judge in (judging.gateway_tls, judging.gateway_certificate):
        assert (OK, True) == (judge(facts).status, "on this machine" in judge(facts).detail)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (502, "/healthz"), (504, "/healthz"), (301, "redirect"), (303, "redirect"),
        (308, "redirect"), (404, "no route"), (200, "Upgrade"), (426, "Upgrade"),
    ],
)  # fmt: skip
def test_the_remedy_follows_from_the_status(status: int, words: str) -> None:
    """Of the load balancer."""
    outcome = judging.load_balancer(of_gateway(unsigned=status)(HEALTHY))
    assert (FAILURE, True) == (outcome.status, words in outcome.remedy)


@pytest.mark.parametrize(
    ("signed", "status", "words"),
    [
        (101, OK, "accepted"),
        (400, FAILURE, "answered 400, not 101"),
        (403, FAILURE, "Twilio's are too"),
        (CheckTrouble("no token", is_unset=True), WARNING, "no token"),
        (CheckTrouble("no valid answer"), FAILURE, "no valid answer"),
    ],
)
def test_a_signed_handshake_must_be_accepted(signed: Any, status: CheckStatus, words: str) -> None:
    """Without a token it cannot be signed."""
    outcome = judging.signed_handshake(of_gateway(signed=signed)(HEALTHY))
    assert (status, True) == (outcome.status, words in outcome.detail)


def test_a_refused_token_is_the_cause_of_a_refused_handshake() -> None:
    """The check `auth-token` names it. An accepted handshake needs no cause."""
    refused = of_account(auth_token=CheckTrouble("401", 401))(HEALTHY)
    assert OK is judging.signed_handshake(refused).status
    for signed in (403, 400, CheckTrouble("x")):
        outcome = judging.signed_handshake(of_gateway(signed=signed)(refused))
        assert (WARNING, True) == (outcome.status, "refuses the auth token" in outcome.detail)
