"""Derived records equal those of the live roles, and do not depend on when a derivation stopped."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import consolidator, resolver, stream_manager, tracker
from cli.derive.network import TICK_MS, Changes, Derived, Network
from cli.derive.policy import ChangedHistory, ChangedRules
from cli.derive.roles import ROLES, chosen, live_records, targets
from pipeline.calls.channels import VOICE_CHANNELS
from pipeline.contacts.state import AWAITED_MS, KEPT_MS
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.settings import Role
from pipeline.streams.decided import seen_call
from schemas.codec import encode
from schemas.records import Call, Contact, Reconciliation, RecordingDecided
from schemas.topics import (
    CALLS,
    CTI_EVENTS,
    GATEWAYS_ALIVE,
    MEDIA,
    POLICY,
    RECONCILIATION_EVIDENCE,
    STREAM_COMMANDS,
    STREAM_EVENTS,
    WORKERS_SEEN,
)
from tests.examples import examples
from tests.pipeline.calls.histories import inbound
from tests.pipeline.calls.replay import Product, history, record
from tests.pipeline.contacts.records import NOON, call, decided, reservation
from tests.pipeline.reconciliation.records import evidence
from tests.system.model.histories import Run, runs
from tests.system.model.scene import TASK

SOME = settings(max_examples=examples(25), deadline=None)
ALL_ROLES = chosen(ROLES)
some_runs = runs().filter(lambda run: bool(run.deliveries))
State = dict[tuple[str, str], bytes]


def network(past: PolicyHistory) -> Network:
    return Network(ALL_ROLES, past, VOICE_CHANNELS)


def fed(derivation: Network, run: Run, first: int = 0) -> None:
    """Apply the run's events, from the numbered one on."""
    for at, event, arrived_at in run.deliveries[first:]:
        derivation.advance(at)
        delivered = record(event, arrived_at)
        key = delivered.task_sid or delivered.call_sid or ""
        derivation.take(CTI_EVENTS.name, key, delivered, at)


def derived(run: Run, past: PolicyHistory | None = None) -> tuple[Derived, ...]:
    """Derive the run in one go, and the hours after it."""
    derivation = network(past or history(run.versions))
    fed(derivation, run)
    derivation.advance(run.deliveries[-1][0] + 60_000)
    return derivation.changes().records


def decisions(records: Sequence[Derived]) -> list[RecordingDecided]:
    return [d.record for d in records if isinstance(d.record, RecordingDecided)]


def last_of(records: Sequence[Derived], kind: type) -> dict[str, object]:
    return {d.key: d.record for d in records if isinstance(d.record, kind)}


@SOME
@given(some_runs)
def test_derived_calls_and_decisions_are_the_live_ones(run: Run) -> None:
    """The call has the same content, and each second ends with the same decision."""
    product = Product(TASK, run.versions)
    now = run.deliveries[0][0] // TICK_MS * TICK_MS
    for at, event, arrived_at in run.deliveries:
        for tick in range(now + TICK_MS, at + 1, TICK_MS):
            product.pass_time(tick)
            now = tick
        product.deliver(at, event, arrived_at)
    for tick in range(now + TICK_MS, run.deliveries[-1][0] + 60_001, TICK_MS):
        product.pass_time(tick)

    found = derived(run)
    call = last_of(found, Call).get(TASK)
    assert (product.call is None) == (call is None)
    if product.call is not None and isinstance(call, Call):
        assert seen_call(encode(product.call))[1] == seen_call(encode(call))[1]
    expected = [(d.at, d.decision) for d in decisions(found) if d.task_sid == TASK]
    assert product.decisions[-1:] == expected[-1:]
    assert {word for _, word in product.decisions} <= {word for _, word in expected}


@SOME
@given(some_runs, st.data())
def test_a_killed_derivation_comes_to_the_same(run: Run, data: st.DataObject) -> None:
    """At any ticks the process is killed, and another continues with the written states."""
    past = history(run.versions)
    seconds = [at // TICK_MS for at, _, _ in run.deliveries]
    count = len(seconds)
    at_ticks = [n for n in range(1, count) if seconds[n - 1] < seconds[n]]
    kills = sorted(data.draw(st.sets(st.sampled_from(at_ticks), max_size=5))) if at_ticks else []
    derivation, written, states = network(past), [], State()

    def write(changes: Changes) -> None:
        written.extend(changes.records)
        for place, value in changes.states.items():
            if value is None:
                states.pop(place, None)
            else:
                states[place] = value

    for start, stop in zip([0, *kills], [*kills, count], strict=True):
        fed(derivation, replace(run, deliveries=run.deliveries[:stop]), start)
        if stop == count:
            break
        # The portion ends with the tick before the next record.
        derivation.advance(run.deliveries[stop][0])
        clock = derivation.clock
        assert clock is not None
        write(derivation.changes())
        derivation.take(*_lost(run, stop))  # handled, and not written
        derivation = network(past)
        derivation.restore(clock, [(*place, value) for place, value in states.items()])
    derivation.advance(run.deliveries[-1][0] + 60_000)
    write(derivation.changes())
    assert derived(run) == tuple(written)


def _lost(run: Run, number: int) -> tuple[str, str, object, int]:
    at, event, arrived_at = run.deliveries[number]
    delivered = record(event, arrived_at)
    return CTI_EVENTS.name, delivered.task_sid or delivered.call_sid or "", delivered, at


@SOME
@given(some_runs)
def test_a_changed_rule_changes_only_its_effects(run: Run) -> None:
    """Without outbound recording, outbound calls are never recorded; everything else is as it
    was."""
    before = derived(run)
    changed = ChangedHistory(ChangedRules(record_outbound=False))
    for version in history(run.versions).versions:
        changed.add(version)
    after = derived(run, changed)
    assert last_of(before, Call) == last_of(after, Call)
    call = last_of(after, Call).get(TASK)
    if isinstance(call, Call) and call.direction == "outbound":
        at = [d.at for d in after if isinstance(d.record, Call) and d.record.direction]
        assert not [d for d in decisions(after) if d.decision == "record" and d.at >= at[0]]
    elif isinstance(call, Call) and not _was_outbound(after):
        assert decisions(before) == decisions(after)
        assert last_of(before, Contact) == last_of(after, Contact)


def _was_outbound(records: Sequence[Derived]) -> bool:
    versions = [d.record for d in records if isinstance(d.record, Call)]
    return any(version.direction == "outbound" for version in versions)


def test_nothing_reaches_twilio() -> None:
    """No role has a topic with commands, audio or the list among its targets."""
    names = {topic.name for topic in targets(ALL_ROLES)}
    assert names.isdisjoint({STREAM_COMMANDS.name, MEDIA.name, POLICY.name})


def test_live_records_are_those_that_no_chosen_role_makes() -> None:
    """With all roles, decisions and calls come from the derivation; without them, from the live
    topics."""
    records = live_records(ALL_ROLES)
    listed = "reconciliation.evidence"
    assert {"cti.events", "stream.events", "recordings", listed} == set(records)
    assert "RecordingDecided" not in records["stream.events"]
    alone = live_records(chosen([Role.CONSOLIDATOR]))
    assert {"calls", "stream.events", "recordings", listed} == set(alone)
    assert "RecordingDecided" in alone["stream.events"]
    tracker = live_records(chosen([Role.TRACKER]))
    assert {"CtiEvent", "LegContested", "LegFetched"} == tracker["cti.resolved"]


def test_a_derived_role_reads_what_the_live_role_reads() -> None:
    """Otherwise its records would differ from the live ones. Names of workers come from the live
    topic `workers`, and no gateway is alive in a derivation."""
    specs = (tracker.SPEC, resolver.SPEC, stream_manager.SPEC, consolidator.SPEC)
    elsewhere = {WORKERS_SEEN.name, GATEWAYS_ALIVE.name}
    for spec in specs:
        read = {topic.name for topic in spec.sources} - elsewhere
        assert read == set(ROLES[Role(spec.name)].reads), spec.name


def test_evidence_is_in_the_derived_contact() -> None:
    """The comparison with Twilio's records is derived too, also as a record of its own."""
    end = call(reservation(1, "ann", created=0, accepted=1_000, wrapup=9_000), completed=9_500)
    derivation = Network(chosen([Role.CONSOLIDATOR]), PolicyHistory(), VOICE_CHANNELS)
    derivation.advance(NOON)
    derivation.take(CALLS.name, end.task_sid, end, NOON)
    derivation.take(RECONCILIATION_EVIDENCE.name, end.task_sid, evidence(), NOON + 1)
    found = derivation.changes().records
    compared = last_of(found, Reconciliation)[end.task_sid]
    contact = last_of(found, Contact)[end.task_sid]
    assert isinstance(contact, Contact)
    assert contact.reconciliation == compared


def test_a_forgotten_contact_is_recalled() -> None:
    """A record that comes days later is added to the contact, also in another process, as the live
    role does with the state in the database. After a time the state is dropped for good."""
    past = PolicyHistory()
    end = call(reservation(1, "ann", created=0, accepted=1_000, wrapup=9_000), completed=9_500)

    def derive_call() -> Network:
        derivation = Network(chosen([Role.CONSOLIDATOR]), past, VOICE_CHANNELS)
        derivation.advance(NOON)
        derivation.take(CALLS.name, end.task_sid, end, NOON)
        derivation.advance(NOON + KEPT_MS + 1_000)
        return derivation

    derivation = derive_call()
    states = derivation.changes().states
    assert None not in states.values()
    again = Network(chosen([Role.CONSOLIDATOR]), past, VOICE_CHANNELS)
    kept = [(*place, value) for place, value in states.items() if value is not None]
    again.restore(derivation.clock or 0, kept)
    for each in (derivation, again):
        late = NOON + KEPT_MS + 5_000
        each.advance(late)
        each.take(STREAM_EVENTS.name, end.task_sid, decided(500, "record"), late)
        [contact] = [d.record for d in each.changes().records]
        assert 1 == len(contact.sessions) == len(contact.decisions)

    derivation = derive_call()
    derivation.changes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cli.derive.network.TICK_MS", 3_600_000)
        derivation.advance(NOON + 2 * AWAITED_MS + 3_600_000)
    assert {("consolidator", end.task_sid): None} == derivation.changes().states


def test_what_a_role_does_not_accept_is_counted() -> None:
    """The others continue, as with the live role's dead letters."""
    derivation = Network(chosen([Role.TRACKER]), PolicyHistory(), VOICE_CHANNELS)
    [event] = inbound().events
    derivation.advance(NOON)
    derivation.take(CTI_EVENTS.name, "WT" + "9" * 32, event, NOON)
    assert 1 == derivation.failures.count
    assert "tracker: WT9" in derivation.failures.examples[0]
    derivation.take(CTI_EVENTS.name, event.task_sid or "", event, NOON)
    assert [CALLS.name] == [d.topic.name for d in derivation.changes().records][:1]
