"""Unusual legs."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import unusual_legs
from simulator.cases import scripts
from simulator.events import Account
from simulator.script import (
    DialledEnds,
    EventSent,
    Json,
    LegBegan,
    ParticipantJoined,
    ParticipantLeft,
    Script,
)
from tests.examples import examples

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000
SEEDS = st.integers(0, 2**63)
SOME = settings(max_examples=examples(10))


def _script(case: Any, seed: int = 1) -> Script:
    return scripts([case], BEGIN, 0, ACCOUNT, seed)[0]


def _actions(script: Script, kind: type) -> Sequence[Any]:
    return [step.action for step in script.steps if isinstance(step.action, kind)]


def _ends(script: Script) -> dict[str, DialledEnds]:
    return {began.call_sid: began.ends for began in _actions(script, LegBegan)}


def _attributes(script: Script) -> list[Json]:
    payloads = [sent.event["data"].get("payload") for sent in _actions(script, EventSent)]
    return [json.loads(p["task_attributes"]) for p in payloads if p]


@given(SEEDS)
@SOME
def test_a_third_party_comes_last_and_leaves_before_the_end(seed: int) -> None:
    """With any label, and on a leg that is not the customer's."""
    for case in (unusual_legs.third_party_labelled, unusual_legs.outbound_third_party):
        script = _script(case, seed)
        guest = _actions(script, ParticipantJoined)[-1]
        assert guest.label is not None
        assert guest.call_sid != script.customer_call_sid
        left = next(
            s.at
            for s in script.steps
            if isinstance(s.action, ParticipantLeft) and s.action.call_sid == guest.call_sid
        )
        assert left < script.ends_at
        assert 1 == len(script.expectation.recordings)


@pytest.mark.parametrize(
    "case",
    [
        unusual_legs.outbound_sip,
        unusual_legs.outbound_odd_number,
        unusual_legs.agent_on_telephone,
        unusual_legs.agent_on_sip,
    ],
    ids=lambda case: case.__name__,
)
@given(seed=SEEDS)
@SOME
def test_only_the_ends_identify_the_leg(case: Any, seed: int) -> None:
    """No leg is labelled, and both were called from the same number."""
    script = _script(case, seed)
    ends = _ends(script)
    assert {None} == {joined.label for joined in _actions(script, ParticipantJoined)}
    assert 2 <= len(ends)
    assert 1 == len({(end.caller, end.direction) for end in ends.values()})
    assert script.expectation.customer == _attributes(script)[0]["outbound_to"]


@given(SEEDS)
@SOME
def test_a_page_reload_is_one_session_and_two_recordings(seed: int) -> None:
    """The leg that comes back has no label, and one end that is the agent's."""
    script = _script(unusual_legs.page_reload, seed)
    back = _actions(script, ParticipantJoined)[-1]
    ends = _ends(script)[back.call_sid]
    assert back.label is None
    assert "client:ann_40example_2Ecom" in (ends.caller, ends.called)
    assert (1, 2) == (len(script.expectation.sessions), len(script.expectation.recordings))
    first, second = script.expectation.recordings
    assert first.ends_at < second.begins_at
    assert script.ends_at == script.expectation.sessions[0].ended_at


def test_a_stranger_does_not_prolong_the_session() -> None:
    """It ends with the agent's leg, as the recording does."""
    script = _script(unusual_legs.stranger_instead_of_agent)
    (recording,) = script.expectation.recordings
    assert recording.ends_at == script.expectation.sessions[0].ended_at < script.ends_at


@pytest.mark.parametrize(
    "case", [unusual_legs.customer_named_anew, unusual_legs.outbound_customer_named_anew]
)
def test_the_attributes_name_another_customer(case: Any) -> None:
    """`participants.customer` ends up as a leg that leaves before the end."""
    script = _script(case)
    named = _attributes(script)[-1]["conference"]["participants"]["customer"]
    assert named != script.customer_call_sid
    assert named in {left.call_sid for left in _actions(script, ParticipantLeft)}


def test_a_muted_supervisor_comes_while_it_rings() -> None:
    """Without a label, and before the customer's leg is answered."""
    for case in (unusual_legs.supervised_while_ringing, unusual_legs.supervised_unanswered):
        script = _script(case)
        (supervisor,) = (j for j in _actions(script, ParticipantJoined) if j.muted)
        assert (None, False) == (supervisor.label, supervisor.coaching)
        joined_at = next(s.at for s in script.steps if s.action == supervisor)
        assert all(joined_at < r.begins_at for r in script.expectation.recordings)
