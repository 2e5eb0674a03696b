"""The demo's run."""

from simulator.cases import CASES, scripts
from simulator.demo import LONGEST_BEGINNING_MS
from simulator.events import Account

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000


def test_the_whole_run_is_short() -> None:
    """One call of each case, all begun within 14 s, is over within 22 s."""
    spacing = LONGEST_BEGINNING_MS // len(CASES)
    assert BEGIN + 22_000 > max(s.ends_at for s in scripts(CASES, BEGIN, spacing, ACCOUNT, 1))
