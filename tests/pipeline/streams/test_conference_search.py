"""Tasks without a call: Twilio is asked for a conference ever more slowly, and nothing starts."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.streams import conference_search
from pipeline.streams.conference_search import (
    ANSWER_MS,
    conference_gone,
    has_no_conference,
    leg_gone,
    searched,
)
from pipeline.streams.reasons import NO_REASON
from pipeline.streams.reconcile import Demand
from pipeline.streams.state import new_stream, unknown_call
from schemas.codec import decode, encode
from schemas.records import (
    Call,
    FindConference,
    MediaStreamChanged,
    RecordingDecided,
    StartDuplicateStream,
    StopDuplicateStream,
)
from schemas.states import StreamState
from tests.examples import examples
from tests.pipeline.streams.calls import TASK, call, later, listed
from tests.pipeline.streams.searching import ACTIVE, CALLBACK, Search, T, answer, changed

EARLY_MS = 20_000
LONG_PAUSE_MS = 30_000
MAX_EARLY = 7
MAX_RESTARTS = 5
OUTBOUND = call(ACTIVE, direction="outbound", customer_call_sid=None)
ALLOWED_EARLY = 8


def early(asked: list[int]) -> int:
    """How many requests there were in the first 20 s."""
    return sum(at < T + EARLY_MS for at in asked)


@pytest.mark.parametrize("version", [CALLBACK, OUTBOUND])
@pytest.mark.parametrize("outcome", ["no-conference", "failed"])
def test_a_task_without_a_call_starts_nothing(version: Call, outcome: str) -> None:
    """However long an agent has it: no command but questions, and no media stream to show."""
    search = Search(version, outcome)
    search.see()
    search.pass_time(600)

    assert 5 <= early(search.asked) <= MAX_EARLY < ALLOWED_EARLY
    assert all(b - a >= LONG_PAUSE_MS for a, b in pairwise(search.asked) if b >= T + EARLY_MS)
    assert len(search.asked) < 30
    pauses = [b - a for a, b in pairwise(search.asked)]
    assert all(b >= a - 1_000 for a, b in pairwise(pauses))
    assert not search.of(StartDuplicateStream | StopDuplicateStream | MediaStreamChanged)
    assert ["record"] == [t.decision for t in search.outputs if isinstance(t, RecordingDecided)]
    assert search.state is not None
    assert () == search.state.media_streams


@settings(max_examples=examples(60), deadline=None)
@given(st.data(), st.sampled_from([CALLBACK, OUTBOUND]))
def test_no_restart_begins_anew(data: st.DataObject, version: Call) -> None:
    """Killed after any step and started again with its table, the manager asks on as before; what
    it had asked and not kept it asks under the same id, so that the adapter asks Twilio nothing."""
    search = Search(version)
    search.see()
    kept = search.state
    for _ in range(60):
        if data.draw(st.integers(0, 3)) == 0:
            back = data.draw(st.booleans())
            search.state = decode(encode(kept if back else search.state))
            search.see()
        kept = search.state
        search.tick(data.draw(st.integers(1, 3_000)))
    ids = dict.fromkeys(t.command_id for t in search.outputs if isinstance(t, FindConference))
    at = {t.command_id: t.issued_at for t in search.outputs if isinstance(t, FindConference)}
    assert early([at[name] for name in ids]) <= MAX_EARLY


def test_a_start_follows_as_soon_as_there_is_a_conference() -> None:
    """In the same step; the adapter looks for the leg in it, as long as it takes."""
    search = Search(OUTBOUND, outcome=None)
    search.see()
    [find] = search.of(FindConference)
    assert isinstance(find, FindConference)
    search.receive(listed(find, search.now))
    [start] = search.of(StartDuplicateStream)
    assert isinstance(start, StartDuplicateStream)
    assert (find.generation, None) == (start.generation, start.call_sid)
    assert 1 == len(search.asked)

    search.receive(answer(start, "expired", "no customer leg in the conference"))
    assert 2 == len(search.of(StartDuplicateStream))
    assert 1 == len(search.asked)


def test_a_conference_that_is_gone_is_searched_for_again() -> None:
    """The media stream failed, and shows so; the pauses continue from their length before."""
    search = Search(OUTBOUND)
    search.see()
    search.pass_time(60)
    before = len(search.asked)
    search.outcome = "listed"
    while not search.of(StartDuplicateStream):
        search.tick()
    [start] = search.of(StartDuplicateStream)
    assert isinstance(start, StartDuplicateStream)
    search.outcome = "no-conference"
    search.receive(answer(start, "no-conference", "Twilio lists no conference for the task"))
    search.pass_time(120)

    assert ["starting", "failed"] == [c.state for c in changed(search)]
    assert before + 1 < len(search.asked) <= before + 5
    assert not search.of(StopDuplicateStream)


def test_a_sign_of_a_call_asks_at_once() -> None:
    """And again soon, for Twilio may list the conference a little later; but not for ever."""
    search = Search()
    search.see()
    search.pass_time(101)
    before = len(search.asked)
    search.sign(1)
    assert before + 1 == len(search.asked)
    search.pass_time(15)
    assert before + 4 == len(search.asked)
    for number in range(2, 20):
        search.sign(number)
        search.pass_time(20)
    restarts = MAX_RESTARTS * 4
    assert len(search.asked) <= before + restarts + (search.now - T) // LONG_PAUSE_MS


def test_a_sign_while_an_answer_is_awaited_is_not_lost() -> None:
    """The answer may be of before."""
    search = Search(outcome=None)
    search.see()
    [find] = search.of(FindConference)
    assert isinstance(find, FindConference)
    search.sign(1)
    assert 1 == len(search.asked)
    search.receive(listed(find, search.now, "no-conference"))
    assert 2 == len(search.asked)


def test_a_question_without_an_answer_is_asked_again() -> None:
    """Lost, expired or unknown: nothing is known, so no pause grows."""
    search = Search(outcome=None)
    search.see()
    search.pass_time(3 * ANSWER_MS // 1000)
    assert [0, ANSWER_MS, 2 * ANSWER_MS, 3 * ANSWER_MS] == [at - T for at in search.asked]
    search.outcome = "unknown"
    search.pass_time(ANSWER_MS // 1000)
    before = len(search.asked)
    search.pass_time(5)
    assert before + 5 == len(search.asked)


ACTIONS = st.lists(
    st.tuples(st.integers(0, 4_000), st.sampled_from(["tick", "tick", "sign", "again", "unwant"])),
    max_size=60,
)


@settings(max_examples=examples(100), deadline=None)
@given(ACTIONS)
def test_twilio_is_never_asked_too_often(actions: list[tuple[int, str]]) -> None:
    """Whatever the events show while Twilio lists no conference: at most 8 requests in the first
    20 s; later one in 30 s, and four more for each of the first signs of a call."""
    search = Search()
    search.see()
    signs = 0
    for number, (ms, action) in enumerate(actions, 1):
        search.tick(ms)
        if action == "sign":
            signs += 1
            search.sign(number)
        elif action == "again":
            search.see()
        elif action == "unwant":
            over = replace(ACTIVE, milestones={**ACTIVE.milestones, "wrapup": search.now})
            search.see(later(search.version, reservations=(over,)))
            search.see(later(search.version, reservations=(ACTIVE,)))
    assert early(search.asked) <= MAX_EARLY
    late = [at for at in search.asked if at >= T + EARLY_MS]
    bound = 1 + (search.now - T) // LONG_PAUSE_MS + 4 * min(signs, MAX_RESTARTS)
    assert len(late) <= bound
    assert not search.of(StartDuplicateStream)


def test_there_is_no_conference_after_an_answer_that_lists_none() -> None:
    """Not before the first answer, and not once one is listed."""
    state = unknown_call(TASK)
    found = []
    asked, [question] = searched(state, Demand(True, NO_REASON, 1), 0, T)
    for outcome in ("unknown", "no-conference", "listed"):
        received = conference_search.found(asked, listed(question, T, outcome), T)
        found.append(has_no_conference(received))
    again, [question] = searched(
        conference_gone(state, T), Demand(True, NO_REASON, 1), 0, T + 9_000
    )
    received = conference_search.found(again, listed(question, T + 9_000), T + 9_000)
    assert [False, False, False, True, False] == [
        has_no_conference(state), has_no_conference(asked), *found,
    ]  # fmt: skip
    assert (True, False) == (has_no_conference(again), has_no_conference(received))
    running = new_stream(1, StreamState.RUNNING, NO_REASON, T)
    assert not has_no_conference(replace(again, media_streams=(running,)))


@pytest.mark.parametrize(("signs", "pause_ms"), [(0, LONG_PAUSE_MS), (1, 2_500)])
def test_a_sign_shortens_the_pauses_after_a_named_leg_is_gone(signs: int, pause_ms: int) -> None:
    """Without any sign of a call the conference is searched for once in 30 s."""
    state = leg_gone(unknown_call(TASK), "CAgone", T)
    demand = Demand(True, NO_REASON, 1)
    asked, [question] = searched(state, demand, signs, T)
    received = conference_search.found(asked, listed(question, T, "no-conference"), T)
    assert () == searched(received, demand, signs, T + pause_ms - 1)[1]
    assert 1 == len(searched(received, demand, signs, T + pause_ms)[1])
