"""Event Streams: our sink among others, and the event types that are subscribed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.twilio.event_streams import (
    WANTED_TYPES,
    EventSink,
    best_of,
    description_of,
    is_ours,
    leads_to,
    missing_types,
    newest_version,
    sink_of,
    subscription_of,
    surplus_types,
    types_form,
)
from tests.examples import examples

NAME = "flex-events"
ARN = f"arn:aws:kinesis:eu-west-1:1:stream/{NAME}"
OURS = EventSink("DG1", description_of(NAME), "kinesis", "active", ARN)

VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, 7, -1, 1.5, "", "x", "12", "{}", "[", [], ["x"], {}, {"arn": 1}]
)
SINK_FIELDS = st.sampled_from(
    ["sid", "description", "sink_type", "status", "sink_configuration", "schema_version", "type"]
)
ANSWERS = st.dictionaries(SINK_FIELDS, VALUES)


@given(ANSWERS, st.lists(ANSWERS, max_size=3))
@example({}, [{"type": "t", "schema_version": -1}])
@settings(max_examples=examples(30))
def test_any_answer_is_read(item: dict[str, Any], subscribed: list[dict[str, Any]]) -> None:
    """Missing fields and fields of another type are empty; nothing is an error."""
    sink, subscription = sink_of(item), subscription_of(item, subscribed)
    assert all(isinstance(getattr(sink, name), str) for name in EventSink.__slots__)
    assert "" not in subscription.types
    assert all(version >= 0 for version in subscription.types.values() if version)


@pytest.mark.parametrize("dumped", [dict, json.dumps])
def test_the_configuration_of_a_sink_is_shown_as_an_object_or_as_text(dumped: Any) -> None:
    """Both forms occur in answers."""
    shown = {"arn": ARN, "role_arn": "arn:role", "external_id": "x"}
    item = {
        "sid": "DG1", "description": description_of(NAME), "sink_type": "Kinesis",
        "status": "Active", "sink_configuration": dumped(shown),
    }  # fmt: skip
    assert replace(OURS, role_arn="arn:role", external_id="x") == sink_of(item)
    assert sink_of(item).is_active
    assert "" == sink_of({**item, "sink_configuration": "no JSON"}).arn


@pytest.mark.parametrize(
    ("change", "arn", "ours", "leads"),
    [
        ({}, ARN, True, True),
        ({}, "", True, True),
        ({"arn": ""}, ARN, True, True),  # the API need not show it
        ({"description": "by hand"}, ARN, False, True),
        ({"description": "by hand"}, "", False, True),  # by the name in the ARN
        ({"description": "by hand", "arn": ""}, ARN, False, False),
        ({"arn": ARN + "-of-others"}, ARN, False, False),
        ({"arn": "arn:aws:kinesis:us-east-1:1:stream/" + NAME}, ARN, False, False),
        ({"sink_type": "webhook"}, ARN, True, False),
        ({"sink_type": ""}, ARN, True, True),
    ],
)
def test_sinks_are_distinguished(change: dict[str, str], arn: str, ours: bool, leads: bool) -> None:
    """A sink is ours by its description, and leads to a Kinesis stream by its ARN; another ARN
    excludes both."""
    sink = replace(OURS, **change)
    assert ours == is_ours(sink, NAME, arn)
    assert leads == leads_to(sink, NAME, arn)


@given(st.permutations(["active", "validating", "initialized", "failed", "new"]))
@settings(max_examples=examples(25))
def test_the_sink_that_works_soonest_is_used(statuses: list[str]) -> None:
    """Of several with the same status, always the same one."""
    sinks = [replace(OURS, sid=f"DG{n}", status=status) for n, status in enumerate(statuses)]
    order = ["active", "validating", "initialized"]
    while order:
        best = best_of(sinks)
        assert best is not None
        assert order.pop(0) == best.status
        sinks.remove(best)
    assert min(sinks, key=lambda each: each.sid) == best_of(sinks)
    assert best_of([]) is None


@given(st.sets(st.sampled_from(WANTED_TYPES)), st.sets(st.sampled_from(WANTED_TYPES)))
def test_missing_and_surplus_types(subscribed: set[str], offered: set[str]) -> None:
    """Missing: wanted and not subscribed, of those that the account offers, if that is known.
    Surplus: subscribed and not wanted."""
    other = {"com.twilio.messaging.message.sent"}
    assert set(WANTED_TYPES) - subscribed == set(missing_types(subscribed | other))
    assert offered - subscribed == set(missing_types(subscribed, offered | other))
    assert sorted(other) == surplus_types(subscribed | other)


def test_the_product_reads_reservations_calls_conferences_and_streams() -> None:
    """Each type once, under the full name that Twilio gives it."""
    assert len(set(WANTED_TYPES)) == len(WANTED_TYPES)
    assert {
        "com.twilio.taskrouter.reservation.accepted",
        "com.twilio.voice.status-callback.call.completed",
    } <= set(WANTED_TYPES)


def test_the_newest_version_of_a_schema_is_taken() -> None:
    """Numbers come as numbers or as text. None is listed: there is none."""
    versions: list[dict[str, Any]] = [
        {"schema_version": 2}, {"schema_version": "11"}, {"schema_version": True}, {}, {"x": 1},
    ]  # fmt: skip
    assert 11 == newest_version(versions)
    assert newest_version([{}, {"schema_version": "x"}]) is None


def test_a_subscription_has_its_types_with_their_versions() -> None:
    """0: not shown. The form of a request for them has one JSON object for each."""
    shown = [{"type": "a", "schema_version": 3}, {"type": "b"}, {"schema_version": 9}]
    made = subscription_of({"sid": "DF1", "sink_sid": "DG1"}, shown)
    assert ("DF1", "DG1", {"a": 3, "b": 0}) == (made.sid, made.sink_sid, made.types)
    form = [json.loads(field) for field in types_form({"a": 3})]
    assert [{"type": "a", "schema_version": 3}] == form
