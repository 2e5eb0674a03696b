"""Events out of order and twice."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cases import CASES, Case, scripts
from simulator.disorder import LATEST_MS, disordered
from simulator.events import Account
from simulator.script import EventSent, Script
from tests.examples import examples

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000
SEEDS = st.integers(0, 2**63)


def _script(case: Case, seed: int = 1) -> Script:
    return scripts([case], BEGIN, 0, ACCOUNT, seed)[0]


@given(st.sampled_from(CASES), SEEDS, SEEDS)
@settings(max_examples=examples(60))
def test_disorder_loses_nothing(case: Case, seed: int, order: int) -> None:
    """Every event arrives, at most a second late, prompt events almost at once, some events twice.
    Other steps keep their times and order."""
    script = _script(case, seed)
    steps = disordered(script.steps, Random(order))
    others = [step for step in script.steps if not isinstance(step.action, EventSent)]
    assert others == [step for step in steps if not isinstance(step.action, EventSent)]
    delivered_at: dict[str, list[int]] = {}
    for step in steps:
        if isinstance(step.action, EventSent):
            delivered_at.setdefault(step.action.event["id"], []).append(step.at)
    for step in script.steps:
        if isinstance(step.action, EventSent):
            delays = [at - step.at for at in delivered_at[step.action.event["id"]]]
            assert 0 < min(delays) <= (90 if step.action.prompt else LATEST_MS)
            assert len(delays) <= 2
