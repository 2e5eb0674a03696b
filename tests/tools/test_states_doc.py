"""The page of the states."""

from tools.states_doc import MACHINES, PAGE, page


def test_the_page_is_up_to_date() -> None:
    """Else run `python -m tools.states_doc`."""
    assert page() == PAGE.read_text()


def test_each_state_is_drawn_and_no_transition_is_drawn_twice() -> None:
    """Each machine has one first state at least; each state can be reached."""
    for machine in MACHINES:
        steps = [(t.before, t.after) for t in machine.table]
        assert len(set(steps)) == len(steps)
        assert None in {before for before, _ in steps}
        assert set(type(machine.table[0].after)) == {after for _, after in steps}
