"""The judge of the derivation's chaos run finds every kind of mistake."""

from tests.system.chaos_derive.judging import Difference, rule_effects, shortened, unlike

CONCERNED = {"WT1": True, "WT2": False}


def test_effects_of_the_rule_are_right() -> None:
    """Decisions and their consequences, of calls that the rule concerns."""
    fine = [Difference("WT1", "decisions[1].record"), Difference("WT1", "contacts.gaps[0].at")]
    assert [] == rule_effects([*fine, Difference("WT2", "contacts.capture")], CONCERNED)


def test_other_differences_are_found() -> None:
    """In another call, in a field that follows from no decision; and a missing difference."""
    found = rule_effects([Difference("WT3", "contacts.gaps")], CONCERNED)
    [of_another, lacking] = found
    assert of_another.startswith("WT3: contacts.gaps differs")
    assert lacking.startswith("WT1 was recorded")
    for field in ("calls.state", "contacts.state"):
        [text] = rule_effects([Difference("WT1", field)], CONCERNED)
        assert text.endswith("is no effect of a decision")


def test_other_records_are_found() -> None:
    """By partition; and topics without any."""
    assert [] == unlike({"calls-0": "a"}, {"calls-0": "a"}, ["calls"])
    assert 2 == len(unlike({"calls-0": "a"}, {"calls-0": "b", "calls-1": "c"}, ["calls"]))
    assert ["nothing was derived on contacts"] == unlike({}, {}, ["contacts"])


def test_many_lines_are_cut() -> None:
    """With their number."""
    assert ["0", "1", "2", "3", "4", "and 2 more"] == shortened([str(n) for n in range(7)])
