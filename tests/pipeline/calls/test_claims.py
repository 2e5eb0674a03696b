"""What attributes may not reverse: the first statement holds, and what contradicts it is kept."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.claims import Contradiction, contradictions, new_contradictions, put_claim
from pipeline.calls.view import view
from pipeline.policy.decide import decide
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.marks import customer_marks, worker_marks
from schemas.records import Call, CtiEvent, Fact, RecordingPolicy
from tests.examples import examples
from tests.pipeline.calls.histories import (
    CUSTOMER,
    CUSTOMER_LEG,
    T0,
    Story,
    inbound,
    leg_sid,
    outbound,
    reservation_sid,
    worker_attributes,
    worker_sid,
)
from tests.pipeline.calls.replay import folded

MAX_CLAIMS = 10
ENTRIES = ("!queue:legal", "ann@example.com", "team:blue")
ANN_ONLY = RecordingPolicy(1, 0, 0, ENTRIES, record_inbound=True, record_outbound=False)
FOREIGN = leg_sid("foreign")
OWN = leg_sid("ann")


def rewritten(story: Story, at: int, **attributes: Any) -> Story:
    """Add an event after the task's attributes were changed."""
    story.attributes = story.attributes | attributes
    return story.task("updated", at)


def is_recorded(call: Call) -> bool:
    """Return whether ann's monitored call is recorded."""
    return decide(view(call), PolicyHistory.of([ANN_ONLY]), T0 + 60_000).record


def on_a_call() -> Story:
    """An inbound call that ann has accepted."""
    return inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")


REVERSALS: dict[str, dict[str, Any]] = {
    "internal": {"internal": True},
    "internal as text": {"internal": "TRUE"},
    "client call": {"client_call": "true"},
    "to a client": {"to": "client:bob_40example_2Ecom"},
    "outbound to a client": {"outbound_to": "client:bob"},
    "outbound": {"direction": "outbound", "outbound_to": "+15557770000"},
    "outbound, no leg": {"direction": "outbound-dial", "call_sid": None},
    "nothing": {"direction": None, "call_sid": None, "from": None},
    "queue": {"queue": "Legal", "task_queue_name": "Legal", "task_queue_sid": "WQ1"},
    "channel": {"taskChannelUniqueName": "chat", "task_channel_unique_name": "chat"},
    "customer's leg": {"call_sid": FOREIGN},
    "own leg as customer's": {"conference": {"participants": {"customer": OWN}}},
    "customer's leg as worker's": {"conference": {"participants": {"worker": CUSTOMER_LEG}}},
    "legs swapped": {"conference": {"participants": {"customer": OWN, "worker": CUSTOMER_LEG}}},
}


@pytest.mark.parametrize("attributes", REVERSALS.values(), ids=REVERSALS)
def test_attributes_written_later_do_not_end_a_recording(attributes: dict[str, Any]) -> None:
    """Direction, customer's leg, queue and channel stay as they were when the task came to be."""
    story = rewritten(on_a_call(), 10_000, **attributes)
    # The legs that the attributes name end elsewhere.
    story.call_status("completed", 12_000, FOREIGN, CallStatus="completed")
    seen = view(folded(story.events))

    assert is_recorded(folded(story.events))
    assert (seen.direction, seen.customer, seen.queue) == ("inbound", CUSTOMER, "sales")
    assert (seen.customer_call_sid, seen.customer_leg_is_sure) == (CUSTOMER_LEG, True)


@pytest.mark.parametrize(
    "worker",
    [
        {"email": "nobody@example.com"},
        {"email": None, "contact_uri": "client:nobody"},
        {"team_name": "red", "email": "nobody@example.com"},
        {"full_name": "Nobody"},
    ],
)
def test_a_worker_who_changes_their_attributes_stays_monitored(worker: dict[str, Any]) -> None:
    """In a reservation a worker is known by all that they were ever called in it."""
    changed = json.dumps(worker_attributes("ann", **worker))
    story = on_a_call().reservation("wrapup", 90_000, "ann", worker_attributes=changed)
    early = on_a_call().reservation("accepted", 30_000, "ann", worker_attributes=changed)

    assert is_recorded(folded(early.events))
    [session] = view(folded(story.events)).sessions
    assert session.extension == "ann@example.com"


def test_what_was_absent_may_be_added() -> None:
    """A task that states its direction late has it from then on."""
    story = Story(attributes={}).task("created", 0)
    story.reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    assert view(folded(story.events)).direction is None

    rewritten(story, 5_000, direction="inbound", call_sid=CUSTOMER_LEG)
    seen = view(folded(story.events))
    assert seen.direction == "inbound"
    assert (seen.customer_call_sid, seen.customer_leg_is_sure) == (CUSTOMER_LEG, False)


def test_a_leg_named_later_is_sure_once_its_ends_show_it() -> None:
    """That it is in the conference is not enough: so is the worker's own."""
    story = outbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    people = {"customer": CUSTOMER_LEG, "worker": OWN}
    rewritten(story, 5_000, conference={"participants": people})
    assert not view(folded(story.events)).customer_leg_is_sure

    story.participant("join", 6_000, CUSTOMER_LEG)
    assert not view(folded(story.events)).customer_leg_is_sure
    assert CUSTOMER_LEG.lower() not in customer_marks(view(folded(story.events)))
    elsewhere = [*story.events]
    story.call_status("answered", 6_000, CUSTOMER_LEG, To=CUSTOMER, CallStatus="in-progress")
    assert view(folded(story.events)).customer_leg_is_sure

    other = Story().call_status("answered", 6_000, CUSTOMER_LEG, To="+15558880000").events
    assert not view(folded([*elsewhere, *other])).customer_leg_is_sure


def test_of_several_legs_named_later_the_one_in_the_conference_is_the_customers() -> None:
    """If an agent names a foreign leg before Flex names the real one, nothing changes."""
    story = outbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    rewritten(story, 3_000, conference={"participants": {"customer": FOREIGN}})
    rewritten(story, 5_000, conference={"participants": {"customer": CUSTOMER_LEG, "worker": OWN}})
    story.participant("join", 6_000, CUSTOMER_LEG)
    story.call_status("completed", 9_000, FOREIGN, CallStatus="completed")
    seen = view(folded(story.events))

    assert (seen.customer_call_sid, seen.customer_leg_is_sure) == (CUSTOMER_LEG, False)
    assert seen.definitive_end is None


def test_the_conferences_label_outranks_the_attributes() -> None:
    """A leg that the conference labels `customer` is the customer's, whatever attributes say."""
    story = outbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    rewritten(story, 3_000, conference={"participants": {"customer": OWN, "worker": CUSTOMER_LEG}})
    story.participant("join", 4_000, OWN, ParticipantLabel="ann")
    story.participant("join", 6_000, CUSTOMER_LEG, ParticipantLabel="customer")
    seen = view(folded(story.events))

    assert seen.customer_call_sid == CUSTOMER_LEG
    assert [leg.call_sid for leg, _ in seen.legs.workers] == [OWN]


def test_contradictions_are_kept_with_the_time_of_the_first() -> None:
    """Each other value is shown once, in the order of time, also after it was taken back."""
    story = on_a_call()
    rewritten(story, 5_000, internal=True)
    before = folded(story.events)
    rewritten(story, 6_000, internal=False, call_sid=FOREIGN)
    rewritten(story, 7_000, internal=True)
    found = contradictions(folded(story.events))

    assert [(c.name, c.held, c.value, c.at - T0) for c in found] == [
        ("direction", "inbound", "internal", 5_000),
        ("customer_call_sid", CUSTOMER_LEG, FOREIGN, 6_000),
    ]
    new = new_contradictions(before, folded(story.events))
    assert [c.name for c in new] == ["customer_call_sid"]


_FACTS = st.builds(
    Fact,
    value=st.integers(0, 15).map("v{}".format),
    version=st.integers(0, 3),
    at=st.integers(0, 5),
    event_id=st.sampled_from(["a", "b"]),
)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(_FACTS, max_size=40), st.data())
def test_any_order_keeps_the_same_values(facts: list[Fact], data: st.DataObject) -> None:
    """The first value holds, the earliest others are kept, whatever the order and repetition."""
    repeated = data.draw(st.lists(st.sampled_from(facts or [None])))  # type: ignore[list-item]
    again = data.draw(st.permutations(facts)) + repeated
    one, two = dict[str, Fact](), dict[str, Fact]()
    for fact in facts:
        put_claim(one, "direction", fact)
    for fact in filter(None, again):
        put_claim(two, "direction", fact)

    assert one == two
    assert len(one) <= MAX_CLAIMS
    first = min(facts, key=lambda f: (f.version, f.at, f.event_id, f.value), default=None)
    assert one.get("direction") == first


def test_a_worker_who_is_called_as_the_customer_does_not_hide_the_customer() -> None:
    """An agent may have chosen any e-mail address and name before the call."""
    worker = json.dumps(worker_attributes("ann", email=CUSTOMER, full_name="customer"))
    story = outbound().reservation("created", 1_000, "ann", worker_attributes=worker)
    story.reservation("accepted", 2_000, "ann", worker_attributes=worker)
    story.participant("join", 3_000, OWN, ParticipantLabel=worker_sid("ann"))
    story.call_status("answered", 4_000, CUSTOMER_LEG, To=CUSTOMER, CallStatus="in-progress")
    story.participant("join", 4_000, CUSTOMER_LEG)
    rewritten(story, 5_000, conference={"participants": {"customer": CUSTOMER_LEG, "worker": OWN}})
    call = folded(story.events)
    seen = view(call)

    assert (seen.customer_call_sid, seen.customer_leg_is_sure) == (CUSTOMER_LEG, True)
    assert [leg.call_sid for leg, _ in seen.legs.workers] == [OWN]
    assert not {"customer", CUSTOMER.lower(), CUSTOMER_LEG.lower()} & set(worker_marks(call, seen))


def test_a_leg_that_attributes_named_late_marks_nothing() -> None:
    """In a conference without labels it would choose the agent's own leg."""
    story = outbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    rewritten(story, 3_000, conference={"participants": {"customer": OWN}})
    assert OWN.lower() not in customer_marks(view(folded(story.events)))


UNVERSIONED: tuple[Any, ...] = (None, -1, "-1", "", "x", 2**62, "9" * 40, float("inf"), True, 1.5)


@pytest.mark.parametrize("version", UNVERSIONED, ids=repr)
def test_an_event_without_a_version_only_adds(version: Any) -> None:
    """It reverses nothing that an event with a version stated, whatever their times."""
    story = on_a_call()
    early = rewritten(on_a_call(), -5_000, internal=True, call_sid=FOREIGN, **{"from": "+1999"})
    changed = replaced_versions(early.events[-1:], version)
    for events in ([*story.events, *changed], [*changed, *story.events]):
        seen = view(folded(events))
        assert (seen.direction, seen.customer, seen.customer_call_sid) == (
            "inbound", CUSTOMER, CUSTOMER_LEG,
        )  # fmt: skip
        assert is_recorded(folded(events))


def test_the_event_that_creates_a_task_is_the_first_also_without_a_version() -> None:
    """Nothing is stated before it."""
    story = rewritten(on_a_call(), 10_000, internal=True)
    events = [*replaced_versions(story.events[:1], None), *story.events[1:]]
    assert view(folded(events)).direction == "inbound"


def test_changes_of_the_conference_are_contradictions() -> None:
    """The legs that it named first hold, until another worker takes the call over."""
    story = on_a_call()
    rewritten(story, 5_000, conference={"participants": {"customer": CUSTOMER_LEG, "worker": OWN}})
    rewritten(story, 6_000, conference={"participants": {"customer": OWN, "worker": FOREIGN}})
    found = {(c.name, c.held, c.value) for c in contradictions(folded(story.events))}
    assert ("customer_joined", CUSTOMER_LEG, OWN) in found
    assert ("worker_call_sid", OWN, FOREIGN) in found

    story.reservation("created", 7_000, "bob").reservation("accepted", 8_000, "bob")
    names = [c.name for c in contradictions(folded(story.events))]
    assert "customer_joined" in names
    assert "worker_call_sid" not in names


def test_a_conference_that_names_another_customer_than_the_task_is_a_contradiction() -> None:
    """Also if it names no other afterwards."""
    story = rewritten(on_a_call(), 5_000, conference={"participants": {"customer": FOREIGN}})
    found = [(c.name, c.held, c.value) for c in contradictions(folded(story.events))]
    assert found == [("customer_joined", CUSTOMER_LEG, FOREIGN)]


def replaced_versions(events: list[CtiEvent], version: Any) -> list[CtiEvent]:
    """Return the events with that version in place of theirs; None: with none."""
    found = []
    for event in events:
        body = json.loads(event.body)
        body["data"]["payload"] |= {"task_version": version, "reservation_version": version}
        found.append(replace(event, body=json.dumps(body)))
    return found


def test_a_contradiction_in_a_workers_attributes_names_the_reservation() -> None:
    """Reservations without one add nothing."""
    changed = json.dumps(worker_attributes("ann", team_name="red"))
    story = on_a_call().reservation("created", 3_000, "bob")
    story.reservation("wrapup", 90_000, "ann", worker_attributes=changed)

    expected = Contradiction(reservation_sid("ann"), "team", "red", "blue", T0 + 90_000)
    assert contradictions(folded(story.events)) == (expected,)


def test_only_a_value_or_an_earlier_statement_changes_a_claim() -> None:
    """A later statement of a known value is no change, so the merge keeps the same object."""
    facts: dict[str, Fact] = {}
    steps = [("inbound", 5), ("inbound", 6), ("outbound", 7), ("outbound", 8), ("inbound", 4)]
    changed = [put_claim(facts, "direction", Fact(value, 0, at, "e")) for value, at in steps]
    assert changed == [True, False, True, False, True]
