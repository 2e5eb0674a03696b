"""Which other tasks have a leg, and what shows it."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.aliases import MAX_LISTED, add_alias, learned, listed_at
from pipeline.calls.contested import Contested, conference_signs, contested_legs
from pipeline.calls.lifetime import apply_contested
from pipeline.calls.merge import merge
from schemas.codec import decode, encode
from schemas.records import Call, CallAlias, CallAliasState, LegContested
from tests.examples import examples
from tests.pipeline.calls.histories import CUSTOMER_LEG, T0, TASK, Story, inbound, outbound
from tests.pipeline.calls.replay import folded

MAX_OTHERS = 4
MAX_LATEST = 4
OTHER, THIRD = "WT" + "d" * 32, "WT" + "e" * 32


def informed(call: Call, *others: tuple[str, bool]) -> Call:
    """Return the call after it was informed of these tasks; True: Twilio showed the leg there."""
    for task, is_listed in others:
        record = LegContested(CUSTOMER_LEG, TASK, task, T0, is_listed)
        after = apply_contested(call, record, T0).state
        assert isinstance(after, Call)
        call = after
    return call


def test_tasks_with_the_most_evidence_come_first() -> None:
    """The order in which the call is informed makes no difference."""
    call = folded(inbound().events)
    assert contested_legs(call) == {}
    both = [(OTHER, False), (THIRD, True), (THIRD, False)]
    expected = {CUSTOMER_LEG: Contested(listed=(THIRD,), named=(OTHER, THIRD), listed_at=T0)}
    assert contested_legs(informed(call, *both)) == expected
    assert contested_legs(informed(call, *reversed(both))) == expected
    assert expected[CUSTOMER_LEG].task_sids == (THIRD, OTHER)


def test_attributes_add_one_sign_of_a_conference_at_most() -> None:
    """A leg that they name is none; one that joined is."""
    story = outbound()
    story.attributes["conference"] = {"sid": "CF" + "1" * 32, "participants": {"customer": "CA1"}}
    story.task("updated", 1_000)
    assert conference_signs(folded(story.events)) <= 1
    before = conference_signs(folded(story.events))
    story.participant("join", 2_000, CUSTOMER_LEG)
    assert conference_signs(folded(story.events)) > before


def test_a_task_that_names_the_leg_of_a_call_that_is_known_by_its_conference() -> None:
    """Callbacks show the leg in the other task's conference, and no attribute names it there."""
    real = Story(attributes={"direction": "inbound"}).task("created", 0)
    real.participant("join", 1_000, CUSTOMER_LEG)
    aliases = [
        *learned(None, folded(real.events)),
        *learned(None, replace(folded(inbound().events), task_sid=OTHER)),
    ]
    for order in (aliases, aliases[::-1]):
        state: CallAliasState | None = None
        contested: list[LegContested] = []
        for alias in order:
            if alias.call_sid == CUSTOMER_LEG:
                found = add_alias(CUSTOMER_LEG, state, alias, T0)
                state, contested = found.state, [*contested, *found.contested]
        assert (OTHER, TASK, True) in {(c.task_sid, c.other_task_sid, c.listed) for c in contested}


def latest_shown(shown: Iterable[tuple[str, int]]) -> list[tuple[int, str]]:
    """Return each task that was shown to have the leg, with the latest time, the latest first."""
    latest: dict[str, int] = {}
    for task, at in shown:
        latest[task] = max(at, latest.get(task, 0))
    return sorted(((at, task) for task, at in latest.items()), reverse=True)


BARE = folded(inbound().events)
TASKS = tuple(f"WT{number:032x}" for number in range(9))
TIMES = st.integers(T0, T0 + 20)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TASKS), TIMES, st.booleans()), max_size=25), st.data())
def test_any_order_of_what_a_call_is_informed_of_leaves_the_same(
    informed_of: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    """The latest conferences with the leg come first; an earlier one that has it again is the
    latest. Two halves merge to the same."""
    records = [LegContested(CUSTOMER_LEG, TASK, *each) for each in informed_of]
    again = data.draw(st.permutations(records * 2))
    half = data.draw(st.integers(0, len(records)))
    one, other = taken_in(BARE, records), taken_in(BARE, again)
    halves = taken_in(BARE, records[:half]), taken_in(BARE, records[half:])

    assert one.legs == other.legs == merge(*halves).legs == merge(*halves[::-1]).legs
    expected = latest_shown((task, at) for task, at, listed in informed_of if listed)[:MAX_LATEST]
    found = contested_legs(one).get(CUSTOMER_LEG, Contested())
    assert found.listed == tuple(task for _, task in expected)
    assert found.listed_at == max((at for at, _ in expected), default=0)


def taken_in(call: Call, records: Iterable[LegContested]) -> Call:
    """Return the call after these records."""
    for record in records:
        after = apply_contested(call, record, T0).state
        assert isinstance(after, Call)
        call = after
    return call


class Informed:
    """The resolver's state of the leg, and the call of each task that it informed."""

    def __init__(self, aliases: Iterable[CallAlias]) -> None:
        self.state: CallAliasState | None = None
        self.calls = {task: replace(BARE, task_sid=task) for task in TASKS}
        for alias in aliases:
            self.take(alias)

    def take(self, alias: CallAlias) -> int:
        """Take in one more alias, and return how many records informed a task."""
        found = add_alias(CUSTOMER_LEG, self.state, alias, T0)
        self.state = decode(encode(found.state))
        for record in found.contested:
            assert record.other_task_sid != record.task_sid
            self.calls[record.task_sid] = taken_in(self.calls[record.task_sid], [record])
        return len(found.contested)

    def known_to(self, task: str) -> Contested:
        """Return what the task knows of others with the leg."""
        return contested_legs(self.calls[task]).get(CUSTOMER_LEG, Contested())


ALIASES = st.lists(
    st.builds(
        CallAlias, st.just(CUSTOMER_LEG), st.sampled_from(TASKS), TIMES, listed=st.booleans()
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=examples(150), deadline=None)
@given(ALIASES, st.data())
def test_each_task_that_names_the_leg_again_knows_where_it_was_latest(
    aliases: list[CallAlias], data: st.DataObject
) -> None:
    """Whatever the order of aliases, and however often each comes: of the conferences that had the
    leg each task knows the latest ones of others, in order, with the time. The state is
    bounded."""
    again = data.draw(st.permutations(aliases + data.draw(st.lists(st.sampled_from(aliases)))))
    shown = latest_shown((alias.task_sid, alias.at) for alias in aliases if alias.listed)
    for informed in (Informed(aliases), Informed(again)):
        state = informed.state
        assert state is not None
        assert len(state.other_task_sids) <= MAX_OTHERS
        assert sorted(listed_at(state).items()) == sorted(
            (task, at) for at, task in shown[:MAX_LISTED]
        )
        for task in {alias.task_sid for alias in aliases}:
            informed.take(CallAlias(CUSTOMER_LEG, task, T0 + 50))
            others = [(at, other) for at, other in shown if other != task][:MAX_LATEST]
            known = informed.known_to(task)
            assert known.listed == tuple(other for _, other in others)
            assert known.listed_at == max((at for at, _ in others), default=0)


@settings(max_examples=examples(50), deadline=None)
@given(ALIASES)
def test_tasks_that_are_kept_are_informed_at_once_and_once(aliases: list[CallAlias]) -> None:
    """They need not name the leg again, and nothing is said twice: not even by an alias that comes
    once more."""
    informed = Informed(aliases)
    state = informed.state
    assert state is not None
    kept = [state.task_sid or "", *state.other_task_sids]
    listed = {alias.task_sid for alias in aliases if alias.listed}
    shown = latest_shown((alias.task_sid, alias.at) for alias in aliases if alias.listed)
    for task in kept:
        others = [other for _, other in shown if other != task][:MAX_LATEST]
        assert informed.known_to(task).listed == tuple(others)
        assert {*informed.known_to(task).named} >= {*kept} - {task} - listed
    for alias in aliases:
        if alias.task_sid in kept:
            assert informed.take(alias) == 0


def test_each_sign_of_a_conference_counts_one() -> None:
    """Its SID in the attributes, its start, and each leg that joined it."""
    story = outbound()
    story.attributes["conference"] = {"sid": "CF" + "1" * 32}
    call = folded(story.task("updated", 1_000).events)
    assert conference_signs(call) == 1
    assert conference_signs(replace(call, milestones={"conference-start": T0})) == 2
    call = folded(story.participant("join", 2_000, CUSTOMER_LEG).events)
    assert conference_signs(replace(call, milestones={"conference-start": T0})) == 3
