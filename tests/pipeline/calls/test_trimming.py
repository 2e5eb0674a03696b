"""Events that are too large, trimmed."""

import json
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.events import delta
from pipeline.calls.trimming import TRIMMED
from pipeline.kinesis.messages import TRIMMED_HEADER, Message, SizeLimits
from schemas.codec import decode
from schemas.records import Call
from tests.pipeline.calls.odd_events import LEG, attributes, carried, event


def test_a_trimmed_event_says_so() -> None:
    """In a header, and in its body."""
    task = attributes('"' + "x" * 9_000 + '"', direction="inbound", call_sid=LEG)
    raw = json.dumps(event(task, {})).encode()
    message = carried(raw, SizeLimits(event_bytes=8_000))
    assert message.is_trimmed
    assert str(len(raw)).encode() == dict(message.headers)[TRIMMED_HEADER]
    assert len(raw) == orjson.loads(decode(message.value).body)[TRIMMED]
    assert not carried(raw).is_trimmed


SHORT = st.text(max_size=20) | st.sampled_from([LEG, "inbound", "outbound", "client:ann", "true"])
PLAIN = st.none() | st.booleans() | st.integers(0, 2**60) | SHORT
PEOPLE = st.dictionaries(st.sampled_from(["customer", "worker"]), PLAIN)
CONFERENCE = st.fixed_dictionaries({"sid": PLAIN, "participants": PEOPLE | PLAIN})
TASK_FIELDS = st.sampled_from(
    ["call_sid", "from", "to", "caller", "called", "direction", "outbound_to", "client_call",
     "internal", "other"]
)  # fmt: skip
TASK_ATTRIBUTES = st.dictionaries(TASK_FIELDS, PLAIN | st.lists(PLAIN)).flatmap(
    lambda known: st.one_of(st.just(known), CONFERENCE.map(lambda c: {**known, "conference": c}))
)
WORKER_FIELDS = st.sampled_from(["email", "contact_uri", "full_name", "team_name", "roles"])


@settings(deadline=None)
@given(TASK_ATTRIBUTES, st.dictionaries(WORKER_FIELDS, PLAIN), st.booleans())
def test_a_trimmed_event_says_the_same_of_the_call(
    task: dict[str, Any], worker: dict[str, Any], as_text: bool
) -> None:
    """Whatever the attributes hold."""
    padding = {"a": "x" * 20_000}
    stated = [json.dumps(each) if as_text else each
              for each in ({**padding, **task}, {**padding, **worker})]  # fmt: skip
    raw = json.dumps(event(*stated)).encode()
    small = carried(raw, SizeLimits(event_bytes=19_000))
    assert small.is_trimmed
    assert _said(carried(raw)) == _said(small)


def _said(message: Message) -> Call:
    change = delta(decode(message.value))
    assert isinstance(change, Call)
    return change
