"""A decision with its bytes, and one decision in place of two."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.faust_runner import decided
from agents.faust_runner.core import Incoming, Output, Step
from agents.faust_runner.decided import Decided
from schemas.codec import decode, encode
from schemas.records import Tick
from schemas.topics import CALLS, TICKS

BEFORE = Tick(1)
INCOMING = Incoming("ticks", 0, 7, 5, b"WT1", encode(BEFORE))


def decide(step: Step[Any], before: Tick | None = BEFORE, incoming: Incoming = INCOMING) -> Any:
    """Return the decision for a record with this step."""
    return Decided.of(incoming, "WT1", before, step)


def test_the_outputs_are_encoded_in_their_order() -> None:
    """Each with its bytes."""
    outputs = (Output(CALLS, "WT1", Tick(2)), Output(TICKS, "WT2", Tick(3)))
    made = decide(Step(BEFORE, outputs))
    assert list(outputs) == [output for output, _ in made.outputs]
    assert [Tick(2), Tick(3)] == [decode(value) for _, value in made.outputs]


@pytest.mark.parametrize(
    ("after", "expected"),
    [(BEFORE, None), (None, None), (Tick(2), Tick(2)), (Tick(1), Tick(1))],
    ids=["the same object", "forgotten", "another", "an equal one"],
)
def test_only_a_changed_state_has_bytes(after: Tick | None, expected: Tick | None) -> None:
    """The same object means unchanged."""
    state = decide(Step(after)).state
    assert expected == (None if state is None else decode(state))


def test_a_state_that_is_also_published_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is hundreds of values."""
    encoded: list[Any] = []

    def count(record: Any) -> bytes:
        encoded.append(record)
        return encode(record)

    monkeypatch.setattr(decided, "encode", count)
    after = Tick(2)
    made = decide(Step(after, (Output(TICKS, "WT1", Tick(9)), Output(CALLS, "WT1", after))))
    assert [Tick(9), after] == encoded
    assert encode(after) == made.state


@pytest.mark.parametrize(("size", "is_small"), [(49_999, True), (50_000, False)])
def test_a_step_is_small_by_all_of_its_outputs(size: int, is_small: bool) -> None:
    """A coalesced step that Kafka refused would lose the steps that it replaces."""
    output = Output(CALLS, "WT1", Tick(2))
    made = replace(decide(Step(BEFORE)), outputs=[(output, bytes(size))] * 2)
    assert is_small == made.is_small()


steps = st.tuples(st.booleans(), st.booleans())


@given(st.lists(steps, min_size=1, max_size=6))
def test_one_decision_stands_for_several_of_a_key(given_steps: list[tuple[bool, bool]]) -> None:
    """It has the first state before, the last changed state, the last outputs that there were, and
    the last record: its offset is then committed."""
    state: Tick = BEFORE
    made, outputs, changed = [], (), None
    for number, (changes, publishes) in enumerate(given_steps, 2):
        before, state = state, Tick(number) if changes else state
        new_outputs = (Output(CALLS, "WT1", Tick(100 + number)),) if publishes else ()
        made.append(decide(Step(state, new_outputs), before, replace(INCOMING, offset=number)))
        outputs, changed = new_outputs or outputs, encode(state) if changes else changed
    together = made[0]
    for each in made[1:]:
        together = each.instead_of(together)
    assert (BEFORE, state, changed) == (together.before, together.step.state, together.state)
    assert outputs == together.step.outputs == tuple(output for output, _ in together.outputs)
    assert made[-1].incoming == together.incoming
