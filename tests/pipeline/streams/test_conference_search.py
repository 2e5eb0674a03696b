"""Tasks without a call: Twilio is asked for a conference ever more slowly, and nothing starts."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.metrics import UNSTREAMED_SECONDS
from agents.stream_metrics import StreamMetrics
from pipeline.streams.conference_search import (
    ANSWER_MS,
    EARLY_MS,
    LONG_PAUSE_MS,
    MAX_EARLY,
    MAX_RESTARTS,
)
from pipeline.streams.manager import Told, on_record, on_tick
from pipeline.streams.marks import NoLeg
from schemas.codec import decode, encode
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    FindConference,
    Leg,
    MediaStreamChanged,
    RecordingDecided,
    StartDuplicateStream,
    StopDuplicateStream,
)
from tests.examples import examples
from tests.pipeline.streams.calls import ANN, TASK, call, facts, later, listed, reservation
from tests.pipeline.streams.world import HISTORY

T = 1_000_000
ACTIVE = reservation(ANN, created=T, accepted=T)
CALLBACK = call(ACTIVE, customer_call_sid=None)
OUTBOUND = call(ACTIVE, direction="outbound", customer_call_sid=None)
ALLOWED_EARLY = 8
NO_CONFERENCE = NoLeg.NO_CONFERENCE.value


@dataclass
class Search:
    """A manager, and an adapter that answers at once: there is no conference (`outcome`)."""

    version: Call = CALLBACK
    outcome: str | None = "no-conference"
    now: int = T
    state: CallStreams | None = None
    asked: list[int] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def see(self, version: Call | None = None) -> None:
        """A version of the call comes."""
        self.version = version or self.version
        step = on_record(TASK, self.state, self.version, HISTORY, self.now)
        self._take(step.state, step.told)

    def tick(self, ms: int = 1_000) -> None:
        """Time passes."""
        self.now += ms
        assert self.state is not None
        step = on_tick(self.state, HISTORY, self.now)
        self._take(step.state, step.told)

    def hear(self, answer: CommandAnswered) -> None:
        """The adapter answers."""
        step = on_record(TASK, self.state, answer, HISTORY, self.now)
        self._take(step.state, step.told)

    def sign(self, number: int) -> None:
        """An event shows another leg."""
        leg = Leg(f"CA{number:032x}", facts(), {"joined": self.now})
        self.see(later(self.version, legs=(*self.version.legs, leg)))

    def pass_time(self, seconds: int) -> None:
        """With a tick a second."""
        for _ in range(seconds):
            self.tick()

    def of(self, kind: type) -> list[Told]:
        """The outputs of that kind."""
        return [told for told in self.told if isinstance(told, kind)]

    def _take(self, state: CallStreams | None, told: Iterable[Told]) -> None:
        self.state = state
        self.told += told
        for each in told:
            if isinstance(each, FindConference):
                self.asked.append(self.now)
                if self.outcome is not None:
                    self.hear(listed(each, self.now, self.outcome))


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
    assert ["record"] == [t.decision for t in search.told if isinstance(t, RecordingDecided)]
    assert search.state is not None
    assert () == search.state.media_streams


def test_time_without_a_conference_is_not_unstreamed_time() -> None:
    """There is no call that must be recorded."""
    search, metrics = Search(), StreamMetrics()
    search.see()
    before = UNSTREAMED_SECONDS._value.get()
    for _ in range(10):
        search.tick()
        assert search.state is not None
        metrics.ticked(TASK, search.state, search.now)
    assert before == UNSTREAMED_SECONDS._value.get()


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
    ids = dict.fromkeys(t.command_id for t in search.told if isinstance(t, FindConference))
    at = {t.command_id: t.issued_at for t in search.told if isinstance(t, FindConference)}
    assert early([at[name] for name in ids]) <= MAX_EARLY


def test_a_start_follows_as_soon_as_there_is_a_conference() -> None:
    """In the same step; the adapter looks for the leg in it, as long as it takes."""
    search = Search(OUTBOUND, outcome=None)
    search.see()
    [find] = search.of(FindConference)
    assert isinstance(find, FindConference)
    search.hear(listed(find, search.now))
    [start] = search.of(StartDuplicateStream)
    assert isinstance(start, StartDuplicateStream)
    assert (find.generation, None) == (start.generation, start.call_sid)
    assert 1 == len(search.asked)

    search.hear(_answer(start, "expired", "no customer leg in the conference"))
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
    search.hear(_answer(start, "no-conference", "Twilio lists no conference for the task"))
    search.pass_time(120)

    assert ["starting", "failed"] == [c.state for c in changed(search)]
    assert before + 1 < len(search.asked) <= before + 5
    assert not search.of(StopDuplicateStream)


def test_a_leg_that_an_event_names_is_started_without_a_question() -> None:
    """It becomes a call."""
    search = Search()
    search.see()
    search.pass_time(60)
    asked = len(search.asked)
    named = call(ACTIVE, revision=search.version.revision + 1)
    search.see(named)
    [start] = search.of(StartDuplicateStream)
    assert isinstance(start, StartDuplicateStream)
    assert start.call_sid is not None
    assert asked == len(search.asked)


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
    search.hear(listed(find, search.now, "no-conference"))
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


def _answer(start: StartDuplicateStream, outcome: str, detail: str) -> CommandAnswered:
    return CommandAnswered(
        start.command_id, TASK, start.generation, "start", outcome, None, None, None, None, detail,
        1, start.issued_at,
    )  # fmt: skip


@pytest.mark.parametrize(("code", "detail"), [(21220, ""), (404, ""), (None, NO_CONFERENCE)])
def test_the_named_leg_of_an_earlier_call_is_given_up(code: int | None, detail: str) -> None:
    """Callbacks can name one. Its media stream failed, and a conference is searched for, once in
    30 s; if there is one, the leg is looked for in it."""
    search = Search(call(ACTIVE))
    search.see()
    [start] = search.of(StartDuplicateStream)
    assert isinstance(start, StartDuplicateStream)
    search.now += 30_000
    search.hear(replace(_answer(start, "expired", detail), code=code))
    search.pass_time(600)
    assert ["starting", "failed"] == [c.state for c in changed(search)]
    assert [start] == search.of(StartDuplicateStream)
    assert 15 < len(search.asked) < 22
    assert all(b - a >= LONG_PAUSE_MS for a, b in pairwise(search.asked))

    search.outcome = "listed"
    search.sign(1)
    again = search.of(StartDuplicateStream)[-1]
    assert isinstance(again, StartDuplicateStream)
    assert (2, None) == (again.generation, again.call_sid)


@pytest.mark.parametrize(
    ("direction", "outcome", "code"),
    [("outbound", "expired", 21220), ("inbound", "expired", 503), ("inbound", "failed", 403)],
)
def test_a_leg_that_may_still_come_is_asked_for_again(
    direction: str, outcome: str, code: int
) -> None:
    """One that rings, and one about which Twilio said nothing."""
    search = Search(call(ACTIVE, direction=direction))
    search.see()
    [start] = search.of(StartDuplicateStream)
    assert isinstance(start, StartDuplicateStream)
    search.hear(replace(_answer(start, outcome, ""), code=code))
    search.pass_time(2)
    assert 2 == len(search.of(StartDuplicateStream))
    assert not search.asked


def changed(search: Search) -> list[MediaStreamChanged]:
    """The changes of media streams."""
    return [told for told in search.told if isinstance(told, MediaStreamChanged)]
