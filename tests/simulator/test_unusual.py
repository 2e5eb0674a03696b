"""The unusual cases match their titles, for any seed."""

from collections.abc import Sequence
from typing import Any

from simulator import unstreamed, unusual_legs, unusual_tasks
from simulator.cases import CASES, PLAIN, scripts
from simulator.events import Account
from simulator.script import DialledEnds, LegBegan, Script

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000


def _script(case: Any, seed: int = 1) -> Script:
    return scripts([case], BEGIN, 0, ACCOUNT, seed)[0]


def _actions(script: Script, kind: type) -> Sequence[Any]:
    return [step.action for step in script.steps if isinstance(step.action, kind)]


def _ends(script: Script) -> dict[str, DialledEnds]:
    return {began.call_sid: began.ends for began in _actions(script, LegBegan)}


def test_all_cases_are_played() -> None:
    """The plain ones and the unusual ones, each once."""
    unusual = {*unusual_legs.LEGS, *unusual_tasks.TASKS, *unstreamed.UNSTREAMED}
    assert {*PLAIN, *unusual} == set(CASES)
    assert len(set(CASES)) == len(CASES)


def test_the_ends_of_plain_legs_are_stated() -> None:
    """Each leg of each case has both ends, as Twilio shows them."""
    for case in CASES:
        for ends in _ends(_script(case)).values():
            assert ends.caller
            assert ends.called
