"""The identity of a worker is the SID; all names that were seen for it belong together."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.identities import Workers, list_words, names_in, sightings, with_sighting
from pipeline.calls.merge import Folded, fold
from pipeline.calls.view import view
from pipeline.policy.decide import decide
from pipeline.policy.monitored_list import PolicyHistory, parse_list
from schemas.records import Call, RecordingPolicy, Worker, WorkerIdentity, WorkerSeen
from tests.examples import examples
from tests.pipeline.calls.histories import T0, Story, inbound, worker_attributes, worker_sid

EFFECTIVE_AFTER_MS = 1_500
MAX_IDENTITIES = 50
ANN = worker_sid("ann")


def call_of(story: Story) -> Call:
    """Return the call after the story's events."""
    call: Call | None = None
    for each in story.events:
        outcome = fold(call, each)
        if isinstance(outcome, Folded):
            call = outcome.call
    assert call is not None
    return call


def talking(**worker: Any) -> Story:
    """Return a call that ann has accepted, with these worker attributes."""
    fields = {"worker_attributes": json.dumps(worker_attributes("ann", **worker))}
    story = inbound().reservation("created", 1_000, "ann", **fields)
    return story.reservation("accepted", 2_000, "ann", **fields)


def history(*lines: str, workers: tuple[Worker, ...] = ()) -> PolicyHistory:
    """Return a list with these lines, and the known workers."""
    entries = parse_list("\n".join(lines)).entries
    found = PolicyHistory.of([RecordingPolicy(1, 0, 0, entries, True, True)])
    for worker in workers:
        found.workers.put(worker)
    return found


def test_the_list_may_name_a_worker_by_any_identity() -> None:
    """E-mail address, user of the contact URI, worker name and SID; in any case."""
    call = call_of(talking(email="a.smith@x.com", contact_uri="client:Ann_5FS"))
    for line in ("A.Smith@x.com", ANN, ANN.upper(), "worker:ann", "worker: Ann_S", "WORKER:ann"):
        assert decide(view(call), history(line), T0 + 3_000).record, line
    for line in ("worker:bob", worker_sid("bob"), "ann@example.com", "worker:ann_"):
        assert not decide(view(call), history(line), T0 + 3_000).record, line


def test_a_name_does_not_stand_for_a_line_of_another_kind() -> None:
    """That line does not name a worker called `queue:sales`."""
    story = inbound().reservation("created", 1_000, "ann", worker_name="queue:claims")
    assert "queue:claims" not in list_words(call_of(story).reservations[0])


def test_names_that_were_seen_in_another_call_count_in_this_one() -> None:
    """A worker stays monitored after a change of e-mail address between two calls."""
    known = Worker(ANN, (WorkerIdentity("email", "ann@example.com", T0 - 9_000, T0 - 7_500),), T0)
    renamed = call_of(talking(email="nobody@x.com", contact_uri="client:nobody"))

    assert not decide(view(renamed), history("ann@example.com"), T0 + 3_000).record
    with_names = history("ann@example.com", workers=(known,))
    assert decide(view(renamed), with_names, T0 + 3_000).record


def test_a_name_of_another_call_counts_from_its_time_on() -> None:
    """Before it, a decision goes without: a replay that knows the name already decides alike."""
    later = T0 + 30_000
    known = Worker(ANN, (WorkerIdentity("email", "ann@example.com", T0, later),), T0)
    listed = history("ann@example.com", workers=(known,))
    seen = view(call_of(talking(email="nobody@x.com", contact_uri="client:nobody")))

    assert [decide(seen, listed, at).record for at in (later - 1, later)] == [False, True]
    [session] = seen.sessions
    assert listed.stretches(session, T0 + 2_000, T0 + 60_000) == ((later, T0 + 60_000),)


def test_monitoring_ends_when_the_matching_entry_leaves_the_list() -> None:
    """Another entry, or another name, does not hold it."""
    known = Worker(ANN, (WorkerIdentity("email", "ann@example.com", T0, T0),), T0)
    found = history("ann@example.com", "bob@example.com", workers=(known,))
    found.add(RecordingPolicy(2, 0, T0 + 9_000, ("bob@example.com",), True, True))
    seen = view(call_of(talking(email="nobody@x.com", contact_uri="client:nobody")))

    assert [decide(seen, found, T0 + at).record for at in (8_999, 9_000)] == [True, False]


def test_a_call_reports_each_name_of_a_worker_once() -> None:
    """A version states what the one before it did not."""
    story = talking()
    first = call_of(story)
    [seen] = sightings(None, first)
    assert seen.worker_sid == ANN
    assert {(i.kind, i.value) for i in seen.identities} == {
        ("email", "ann@example.com"), ("contact", "ann@example.com"), ("name", "ann"),
    }  # fmt: skip

    fields = {"worker_attributes": json.dumps(worker_attributes("ann", email="new@x.com"))}
    second = call_of(story.reservation("wrapup", 9_000, "ann", **fields))
    [again] = sightings(first, second)
    assert [(i.kind, i.value) for i in again.identities] == [("email", "new@x.com")]
    assert sightings(second, second) == ()


_NAMES = st.builds(
    WorkerIdentity,
    kind=st.sampled_from(["email", "contact", "name"]),
    value=st.integers(0, 40).map("n{}".format),
    seen_at=st.integers(0, 100),
    counts_from=st.just(0),
)


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.lists(_NAMES, min_size=1, max_size=6), min_size=1, max_size=30))
def test_a_workers_record_keeps_each_name_with_when_it_was_first_seen(
    seen_names: list[list[WorkerIdentity]],
) -> None:
    """Stated again, a name changes nothing but to an earlier time; since when it counts stays."""
    state: Worker | None = None
    for now, names in enumerate(seen_names):
        seen = WorkerSeen(ANN, "WT", tuple(names), 0)
        before, state = state, with_sighting(state, seen, now) or state
        assert state is not None
        assert with_sighting(state, seen, now + 1) is None
        counts = {(i.kind, i.value): i.counts_from for i in before.identities} if before else {}
        for each in state.identities:
            since = counts.get((each.kind, each.value), now + EFFECTIVE_AFTER_MS)
            assert each.counts_from == since
    assert state is not None
    assert len(state.identities) <= MAX_IDENTITIES
    every = [name for names in seen_names for name in names]
    for each in state.identities:
        same = [n.seen_at for n in every if (n.kind, n.value) == (each.kind, each.value)]
        assert each.seen_at <= max(same)


def test_names_are_read_with_all_that_contradicts_them() -> None:
    """A reservation keeps every name, whichever holds."""
    story = talking()
    fields = {"worker_attributes": json.dumps(worker_attributes("ann", email="new@x.com"))}
    call = call_of(story.reservation("wrapup", 9_000, "ann", **fields))
    emails = [value for kind, value in names_in(call.reservations[0]) if kind == "email"]
    assert emails == ["ann@example.com", "new@x.com"]


def test_conflicts_are_counted() -> None:
    """A worker with two e-mail addresses, and an address of two workers."""
    workers = Workers()
    workers.put(Worker("WK1", (WorkerIdentity("email", "a@x.y", 0, 0),), 0))
    workers.put(Worker("WK2", (WorkerIdentity("name", "a@x.y", 0, 0),), 0))
    assert (workers.renamed, workers.shared_emails) == (0, 0)

    two = (WorkerIdentity("email", "b@x.y", 0, 0), WorkerIdentity("email", "a@x.y", 1, 1))
    workers.put(Worker("WK2", two, 1))
    assert (workers.renamed, workers.shared_emails) == (1, 1)


def test_conflicts_that_are_over_are_no_longer_counted() -> None:
    """The same version again changes no count; one without the second address takes it back."""
    workers = Workers()
    first, second = WorkerIdentity("email", "a@x.y", 0, 0), WorkerIdentity("email", "b@x.y", 1, 1)
    counts = []
    workers.put(Worker("WK1", (first,), 0))
    for identities in ((first, second), (first, second), (second,), (first, second)):
        workers.put(Worker("WK2", identities, 0))
        counts.append((workers.renamed, workers.shared_emails))
    assert counts == [(1, 1), (1, 1), (0, 0), (1, 1)]


def test_a_worker_is_called_at_the_ends_of_the_names_that_count_by_then() -> None:
    """The latest record of the worker replaces the ends of the one before it."""
    workers = Workers()
    contact = WorkerIdentity("contact", "+15550100", 0, 0)
    workers.put(Worker("WK1", (contact,), 0))
    workers.put(Worker("WK1", (contact, WorkerIdentity("name", "ann", 5_000, 5_000)), 0))
    early = {"client:+15550100", "tel:15550100"}
    assert [workers.ends_at("WK1", at) for at in (-1, 4_999, 5_000)] == [
        frozenset(), early, early | {"client:ann"},
    ]  # fmt: skip
    assert workers.ends_at("WK2", 5_000) == workers.ends_at(None, 5_000) == frozenset()
