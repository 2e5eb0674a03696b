"""Judgements about the account at Twilio, at their limits."""

from dataclasses import replace

import pytest

from cli.twilio.doctor import judging_account as judging
from cli.twilio.doctor.facts import Alert
from cli.twilio.doctor.results import CheckTrouble
from pipeline.check_results import CheckStatus
from pipeline.twilio.event_streams import WANTED_TYPES, Subscription
from tests.cli.twilio.accounts import STREAM_ARN
from tests.cli.twilio.doctor.healthy import (
    HEALTHY,
    NOW,
    SINK,
    STREAM,
    Plant,
    of_account,
    of_facts,
    of_kinesis,
)

REFUSED = CheckTrouble("401 20003: Authenticate", 401)
SILENT = CheckTrouble("0 -: no answer")
OK, WARNING, FAILURE = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.FAILURE
JUDGES = (
    judging.auth_token, judging.api_rights, judging.sink, judging.subscription,
    judging.event_alerts, judging.media_alerts,
)  # fmt: skip


@pytest.mark.parametrize("plant", [of_facts(account=REFUSED), of_account(rest=REFUSED)])
@pytest.mark.parametrize("judge", JUDGES)
def test_without_credentials_only_the_account_fails(judge: object, plant: Plant) -> None:
    """The other checks name it as the cause."""
    facts = plant(HEALTHY)
    assert FAILURE is judging.account(facts).status
    outcome = judge(facts)  # type: ignore[operator]
    assert (WARNING, True) == (outcome.status, judging.NO_ACCOUNT in outcome.detail)


def test_silence_is_no_refusal() -> None:
    """The remedy is the network, and not other credentials."""
    silent, refused = (judging.account(of_account(rest=t)(HEALTHY)) for t in (SILENT, REFUSED))
    assert ("network" in silent.remedy, "auth token" in refused.remedy) == (True, True)
    assert WARNING is judging.auth_token(of_account(auth_token=SILENT)(HEALTHY)).status


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (of_facts(), False),
        (of_account(auth_token=REFUSED), True),
        (of_account(rest=CheckTrouble("403", 403)), True),
        (of_account(rest=SILENT), False),
        (of_facts(account=REFUSED), False),
    ],
)
def test_a_refused_token_explains_refused_handshakes(plant: Plant, expected: bool) -> None:
    """Only a refusal does: it says nothing if the account cannot be asked."""
    assert expected == judging.refuses_token(plant(HEALTHY))


@pytest.mark.parametrize(
    ("arn", "description", "stream", "status"),
    [
        (STREAM_ARN, "", STREAM, OK),
        ("", "made by hand", STREAM, FAILURE),
        (STREAM_ARN, "", CheckTrouble("no such stream"), OK),  # by the name in the ARN
        (STREAM_ARN + "-2", "", CheckTrouble("no such stream"), WARNING),
    ],
)
def test_the_sink_must_lead_to_the_kinesis_stream(
    arn: str, description: str, stream: object, status: CheckStatus
) -> None:
    """Without the stream its absence shows the cause."""
    facts = of_account(sinks=(replace(SINK, arn=arn, description=description),))(HEALTHY)
    assert status is judging.sink(of_kinesis(stream=stream)(facts)).status


def _subscriptions(*groups: tuple[str, ...]) -> Plant:
    made = (Subscription(f"DF{n}", "", "DG1", dict.fromkeys(g, 1)) for n, g in enumerate(groups))
    return of_account(subscriptions=tuple(made))


def test_types_may_be_spread_over_subscriptions() -> None:
    """Of the active sink. Each type once; surplus ones are only mentioned."""
    half = len(WANTED_TYPES) // 2
    spread = _subscriptions(WANTED_TYPES[:half], (*WANTED_TYPES[half:], "com.other"))
    outcome = judging.subscription(spread(HEALTHY))
    assert (OK, True) == (outcome.status, "and 1 that the product does not read" in outcome.detail)
    twice = _subscriptions(WANTED_TYPES, WANTED_TYPES[:2])
    assert "2 event types" in judging.subscription(twice(HEALTHY)).detail


def test_a_type_that_twilio_does_not_offer_is_not_missing() -> None:
    """Twilio removes and renames types. If the offer is not known, all are expected."""
    less = _subscriptions(WANTED_TYPES[1:])(HEALTHY)
    offered = of_account(offered=frozenset(WANTED_TYPES[1:]))(less)
    assert OK is judging.subscription(offered).status
    unknown = of_account(offered=SILENT)(less)
    assert WANTED_TYPES[0] in judging.subscription(unknown).detail


def test_the_subscription_of_another_sink_does_not_count() -> None:
    """Nor that of a sink that is not active."""
    other = (Subscription("DF1", "", "DG9", dict.fromkeys(WANTED_TYPES, 1)),)
    assert FAILURE is judging.subscription(of_account(subscriptions=other)(HEALTHY)).status
    failed = of_account(sinks=(replace(SINK, status="failed"),))(HEALTHY)
    assert WARNING is judging.subscription(failed).status


@pytest.mark.parametrize(
    ("age_ms", "status"), [(judging.RECENT_MS, FAILURE), (judging.RECENT_MS + 1, WARNING)]
)
def test_alerts_of_the_last_hour_are_failures(age_ms: int, status: CheckStatus) -> None:
    """The newest one counts. An alert without a time counts as new."""
    old = Alert("NO1", 91300, NOW - 20 * judging.RECENT_MS, "")
    facts = of_account(alerts=(old, Alert("NO2", 91302, NOW - age_ms, "")))(HEALTHY)
    assert status is judging.event_alerts(facts).status
    assert OK is judging.media_alerts(facts).status
    undated = of_account(alerts=(Alert("NO3", 31921, 0, ""),))(HEALTHY)
    assert FAILURE is judging.media_alerts(undated).status


def test_alerts_are_counted_by_their_codes() -> None:
    """With their meaning; that of an unknown code is Twilio's text, shortened."""
    alerts = [Alert("NO1", code, NOW, "x" * 200) for code in (31930, 31999, 31930)]
    detail = judging.media_alerts(of_account(alerts=alerts)(HEALTHY)).detail
    assert "2 x 31930 (buffer overflow" in detail
    assert f"1 x 31999 ({'x' * 120})" in detail


def test_all_refused_apis_are_named() -> None:
    """Those that do not answer are another trouble."""
    facts = of_account(sinks=REFUSED, alerts=REFUSED, workers=SILENT)(HEALTHY)
    assert judging.api_rights(facts).detail.endswith("Event Streams, Monitor")
    facts = of_account(workers=SILENT)(HEALTHY)
    assert (WARNING, "no answer: TaskRouter: 0 -: no answer") == (
        judging.api_rights(facts).status, judging.api_rights(facts).detail,
    )  # fmt: skip
