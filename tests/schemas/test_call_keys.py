"""The keys of `facts` and `milestones` are a closed list, and docs/topics.md has it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.added import SHARD
from pipeline.calls.channels import VOICE_CHANNELS
from pipeline.calls.claims import FIRST_HOLDS, LATEST_HOLDS, SEPARATOR
from pipeline.calls.cloud_events import CALL_CALLBACKS, RESERVATION_EVENTS, TASK_EVENTS
from pipeline.calls.events import Silent, delta
from pipeline.calls.lifetime import Applied, apply_contested, apply_event, apply_fetched
from pipeline.calls.merge import Folded, fold, swept
from schemas.call_keys import FACTS, MILESTONES
from schemas.records import Call, CtiEvent, LegContested, LegFetched
from tests.examples import examples
from tests.pipeline.calls.histories import (
    CONFERENCE,
    CUSTOMER,
    CUSTOMER_LEG,
    TASK,
    Story,
    histories,
    inbound,
    leg_sid,
    reservation_sid,
    stream_sid,
    worker_sid,
)

TOPICS = (Path(__file__).parents[2] / "docs" / "topics.md").read_text()
Found = dict[str, set[str]]

PARTICIPANTS = ("join", "leave", "hold", "unhold", "mute", "unmute", "speech-start", "x=y")


def parts(call: Call) -> Iterator[tuple[str, Any]]:
    """Yield each object with facts and milestones, with the name of its record type."""
    yield "Call", call
    for each in (*call.reservations, *call.transfers, *call.legs, *call.media_streams):
        yield type(each).__name__, each


def keys_of(calls: Iterable[Call]) -> tuple[Found, Found]:
    """Return the keys of facts, those of contradictions left out, and of milestones."""
    facts: Found = defaultdict(set)
    milestones: Found = defaultdict(set)
    for call in calls:
        for name, each in parts(call):
            facts[name] |= {key.partition(SEPARATOR)[0] for key in each.facts}
            milestones[name] |= set(each.milestones)
    return dict(facts), dict(milestones)


def everything() -> list[CtiEvent]:
    """Events of every type, with every field that is read, and some that are not."""
    story = inbound()
    conference = {
        "sid": CONFERENCE,
        "participants": {"customer": CUSTOMER_LEG, "worker": leg_sid("ann")},
    }
    story.attributes |= {"conference": conference}
    full = {
        "task_canceled_reason": "hung up", "task_transfer_sid": "TT" + "1" * 32,
        "transfer_initiating_reservation_sid": reservation_sid("ann"),
        "transfer_initiating_worker_sid": worker_sid("ann"), "transfer_mode": "COLD",
        "transfer_type": "WORKER", "transfer_to": worker_sid("bob"), "odd_field": "odd",
    }  # fmt: skip
    for channel in ("voice", "chat", "custom"):
        for name in sorted(TASK_EVENTS):
            story.router(name, 10, task_channel_unique_name=channel, **full)
    for name in sorted(RESERVATION_EVENTS):
        story.reservation(name.partition(".")[2], 20, "ann", **full)
    for step in PARTICIPANTS:
        more = {"ParticipantLabel": "customer", "Coaching": "false", "Muted": "true"}
        story.participant(step, 30, CUSTOMER_LEG, Hold="true", **more)
    for step in ("conference-start", "conference-end", "conference-record", "participant-"):
        story._callback("status-callback.conference.updated", 40, {"StatusCallbackEvent": step})
    for name in sorted(CALL_CALLBACKS):
        ends = {"From": CUSTOMER, "To": "+15559990000", "Direction": "inbound"}
        story.call_status(name.rpartition(".")[2], 50, CUSTOMER_LEG, CallStatus="odd", **ends)
    for step in ("started", "stopped", "error", "paused"):
        story.stream_status(step, 60, stream_sid("1"), CUSTOMER_LEG, StreamError="31920")
    return [
        each if each.task_sid else CtiEvent(*[TASK if n == 5 else v for n, v in enumerate(values)])
        for each in story.events
        for values in [[getattr(each, name) for name in CtiEvent.__slots__]]
    ]


def deltas(events: Iterable[CtiEvent]) -> list[Call]:
    """Return the small call of each event that has one."""
    changes = [delta(each, VOICE_CHANNELS | {"custom"}) for each in events]
    return [each for each in changes if not isinstance(each, Silent)]


def caused_by_others() -> list[Call]:
    """Return the versions that no delivered event led to: another task, fetched ends, an added
    event, a sweep."""
    first = apply_event(None, inbound().reservation("created", 5, "ann").events[1], 0)
    assert isinstance(first, Applied)
    call = first.state
    assert isinstance(call, Call)
    heard = [
        apply_contested(call, LegContested(CUSTOMER_LEG, TASK, "WT" + "b" * 32, 7, listed), 8)
        for listed in (False, True)
    ]
    added = replace(inbound().events[0], kinesis_stream="", shard_id=SHARD)
    heard.append(apply_event(call, added, 8))  # type: ignore[arg-type]
    fetched = (CUSTOMER_LEG, TASK, CUSTOMER, "+1555", "inbound", "customer", worker_sid("ann"), 9)
    heard.append(apply_fetched(call, LegFetched(*fetched), 9))
    found = [each.news for each in heard if each.news is not None]
    assert len(found) == len(heard)
    return [*found, swept(call, 10)]


def listed(keys: dict[str, Any]) -> Found:
    """Return the lists as sets."""
    return {name: set(each) for name, each in keys.items()}


def test_every_key_that_there_is_is_in_the_list_and_no_other() -> None:
    """Events of every type with every field, other tasks, fetched ends and sweeps make exactly
    these keys."""
    facts, milestones = keys_of([*deltas(everything()), *caused_by_others()])
    assert listed(dict(FACTS)) == facts
    assert listed(dict(MILESTONES)) == milestones


@given(histories())
@settings(max_examples=examples(100), deadline=None)
def test_no_history_makes_another_key(events: list[CtiEvent]) -> None:
    """For any events, the call has no key that is not listed."""
    call: Call | None = None
    for each in events:
        outcome = fold(call, each)
        call = outcome.call if isinstance(outcome, Folded) else call
    facts, milestones = keys_of([] if call is None else [call])
    assert all(each <= set(FACTS[name]) for name, each in facts.items())
    assert all(each <= set(MILESTONES[name]) for name, each in milestones.items())


@given(st.text(), st.sampled_from(sorted(CALL_CALLBACKS)))
@settings(max_examples=examples(100), deadline=None)
def test_texts_of_an_event_are_no_keys(word: str, name: str) -> None:
    """The words of a callback's event and status never become keys."""
    story = Story()
    story.participant(word, 0, CUSTOMER_LEG)
    story.call_status(name.rpartition(".")[2], 0, CUSTOMER_LEG, CallStatus=word)
    facts, milestones = keys_of(deltas(story.events))
    assert all(each <= set(FACTS[name]) for name, each in facts.items())
    assert all(each <= set(MILESTONES[name]) for name, each in milestones.items())


def test_facts_with_contradictions_are_listed() -> None:
    """The names of facts that may have several values are keys of the list."""
    every = set().union(*FACTS.values())
    assert every >= FIRST_HOLDS | LATEST_HOLDS
    assert not any(SEPARATOR in name for name in every)


def test_the_document_has_the_list() -> None:
    """docs/topics.md names each key, with its meaning, under its record type."""
    rows = re.findall(
        r"^\| `(\w+)` \| (fact|milestone) \| `([\w-]+)` \| (.+) \|$", TOPICS, re.MULTILINE
    )
    expected = [
        (name, kind, key, meaning)
        for kind, lists in (("fact", FACTS), ("milestone", MILESTONES))
        for name, keys in lists.items()
        for key, meaning in keys.items()
    ]
    assert sorted(expected) == sorted(rows)
