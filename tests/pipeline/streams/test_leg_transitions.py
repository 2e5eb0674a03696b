"""The tables of a leg's check and of a call's decisions: each row happens, and no other change."""

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.streams.manager import Next, Seen, on_record, on_tick
from pipeline.streams.transitions import DECISION_TRANSITIONS, LEG_TRANSITIONS
from pipeline.transitions import may_follow
from schemas.records import (
    CallStreams,
    CommandAnswered,
    Fact,
    FindConference,
    Leg,
    RecordingDecided,
    StartDuplicateStream,
    VerifyLeg,
)
from schemas.states import LegResult, RecordingDecision
from tests.pipeline.streams.calls import ANN, BOB, CUSTOMER_LEG, TASK, call, listed, reservation
from tests.pipeline.streams.world import HISTORY

T = 1_000_000
OTHER_TASK = "WT" + "d" * 32
ACTIVE = {"created": T, "accepted": T}
RESULTS = {each.value: each for each in LegResult}


@dataclass
class Talk:
    """A call, the manager, and an adapter that says what the test wants. `asked`: all questions
    about the leg; `legs`, `decisions`: the changes of results and of decisions."""

    now: int = T
    state: CallStreams | None = None
    revision: int = 0
    asked: list[VerifyLeg] = field(default_factory=list)
    started: list[StartDuplicateStream] = field(default_factory=list)
    sought: list[FindConference] = field(default_factory=list)
    legs: set[tuple[LegResult | None, LegResult]] = field(default_factory=set)
    decisions: set[tuple[RecordingDecision | None, RecordingDecision]] = field(default_factory=set)

    def take(self, record: Seen) -> None:
        """The manager reads a record."""
        self._step(on_record(TASK, self.state, record, HISTORY, self.now))

    def tick(self, ms: int) -> None:
        """Time passes."""
        self.now += ms
        if self.state is not None:
            self._step(on_tick(self.state, HISTORY, self.now))

    def _step(self, step: Next) -> None:
        before, self.state = self.state, step.state
        for record in step.outputs:
            if isinstance(record, VerifyLeg):
                self.asked.append(record)
            if isinstance(record, StartDuplicateStream):
                self.started.append(record)
            if isinstance(record, FindConference):
                self.sought.append(record)
            if isinstance(record, RecordingDecided):
                last = None if before is None else before.decision
                now = RecordingDecision(record.decision)
                self.decisions.add((None if last is None else RecordingDecision(last), now))
        known = {} if before is None else {c.call_sid: LegResult(c.result) for c in before.legs}
        for check in () if step.state is None else step.state.legs:
            result = LegResult(check.result)
            if known.get(check.call_sid) is not result:
                self.legs.add((known.get(check.call_sid), result))

    def call(
        self, shown_elsewhere: bool = False, named: bool = True, who: str = ANN, **milestones: int
    ) -> None:
        """The next version of the call, with one worker."""
        self.revision += 1
        facts = {"listed_task": Fact(OTHER_TASK, 0, self.now, "c")} if shown_elsewhere else {}
        sid = CUSTOMER_LEG if named else None
        worker = reservation(who, **(milestones or ACTIVE))
        version = call(worker, revision=self.revision, customer_call_sid=sid)
        self.take(replace(version, legs=(Leg(CUSTOMER_LEG, facts, {}),)) if facts else version)

    def start(self) -> None:
        """The adapter answers the latest start and finds the leg in the task's conference."""
        if self.started:
            self._answer(self.started[-1], "start", "done")

    def find(self) -> None:
        """Twilio lists a conference of the task."""
        if self.sought:
            self.take(listed(self.sought[-1], self.now))

    def answer(self, question: int, outcome: str) -> None:
        """The adapter answers a question. Of a leg that was confirmed when it was asked, it says
        that it moved; of another, that it is contradicted."""
        if not self.asked:
            return
        asked = self.asked[question % len(self.asked)]
        if outcome == "elsewhere":
            outcome = LegResult.MOVED if asked.was_confirmed else LegResult.CONTRADICTED
        self._answer(asked, "verify", outcome)

    def _answer(self, command: VerifyLeg | StartDuplicateStream, kind: str, outcome: str) -> None:
        sid = f"MZ{command.generation}" if kind == "start" else None
        self.take(
            CommandAnswered(
                command.command_id, TASK, command.generation, kind, outcome, CUSTOMER_LEG,
                sid, None, None, "", 1, self.now,
            )
        )  # fmt: skip


outcomes = st.sampled_from(["confirmed", "unknown", "elsewhere"])
steps = st.one_of(
    st.tuples(st.just("answer"), st.integers(-2, -1), outcomes),
    st.tuples(st.just("answer"), st.integers(-2, -1), outcomes),
    st.tuples(st.sampled_from(["start", "find"])),
    st.tuples(st.just("call"), st.booleans()),
    st.tuples(st.just("tick"), st.sampled_from([100, 1_000, 7_000, 31_000])),
)


@given(st.lists(steps, max_size=40))
def test_a_leg_changes_only_as_the_table_says(walk: list[tuple[object, ...]]) -> None:
    """Whatever is answered, early, late or again, and whatever Twilio shows meanwhile."""
    talk = Talk()
    talk.call()
    talk.start()
    for name, *arguments in walk:
        getattr(talk, str(name))(*arguments)
    for before, after in talk.legs:
        assert may_follow(LEG_TRANSITIONS, before, after), (before, after)


def _talk(*walk: tuple[object, ...]) -> Talk:
    talk = Talk()
    talk.call()
    talk.start()
    for name, *arguments in walk:
        getattr(talk, str(name))(*arguments)
    return talk


def _found() -> Talk:
    """The adapter finds the leg: no event has named it."""
    talk = Talk()
    talk.call(named=False)
    talk.find()
    talk.start()
    return talk


BACK = (("call", True), ("find",), ("start",))


def test_each_row_of_a_legs_check_happens() -> None:
    """The table has no row that the core never makes."""
    asked_twice = (("call", True),)
    talks = (
        _talk(("answer", 0, "unknown"), ("tick", 1_000), ("answer", 1, "confirmed")),
        _talk(("answer", 0, "unknown"), ("answer", 0, "confirmed")),
        _talk(("answer", 0, "unknown"), ("answer", 0, "elsewhere")),
        _talk(*asked_twice, ("answer", 0, "confirmed"), ("answer", 1, "elsewhere"), *BACK),
        _talk(("answer", 0, "elsewhere")),
        _talk(("answer", 0, "confirmed"), *asked_twice, ("answer", 1, "elsewhere"), *BACK),
        _found(),
    )
    made = {change for talk in talks for change in talk.legs}
    assert {(t.before, t.after) for t in LEG_TRANSITIONS} == made


_moments = st.sampled_from([{}, {"accepted": T}, {"accepted": T, "wrapup": T + 1}, {"rejected": T}])
_workers = st.sampled_from([ANN, BOB])


@given(st.lists(st.tuples(_workers, _moments, st.integers(0, 700_000)), max_size=12))
def test_a_decision_changes_only_as_the_table_says(
    versions: list[tuple[str, dict[str, int], int]],
) -> None:
    """Whatever the versions of the call say, however much time passes between them."""
    talk = Talk()
    for who, milestones, pause in versions:
        talk.call(who=who, created=T, **milestones)
        talk.tick(pause)
    for before, after in talk.decisions:
        assert may_follow(DECISION_TRANSITIONS, before, after), (before, after)


def test_each_row_of_a_calls_decisions_happens() -> None:
    """The table has no row that the core never makes."""
    first, second = Talk(), Talk()
    for number in range(2):
        first.call(created=T, accepted=T + number)
        first.call(created=T, accepted=T, wrapup=T + 1)
        first.tick(2_000)
    second.call(who=BOB)
    second.call()
    made = {pair for talk in (first, second) for pair in talk.decisions if pair[0] is not pair[1]}
    assert {(t.before, t.after) for t in DECISION_TRANSITIONS} == made
