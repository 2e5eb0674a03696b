"""The monitored list: its lines and its versions."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.sessions import CallSession
from pipeline.policy.monitored_list import (
    NOBODY,
    PolicyHistory,
    is_monitored,
    parse_list,
)
from tests.pipeline.policy.lists import T, listing
from tests.pipeline.streams.calls import ANN, BOB

# The list


def test_every_kind_of_line_is_read_in_one_spelling() -> None:
    """Upper and lower case, blanks, comments and a byte order mark make no difference."""
    text = "\ufeff# who\nAnn@Example.com\n  team: Sales \n\nQUEUE:Support\n!queue:VIP\n*\n"
    parsed = parse_list(text)

    assert ("!queue:vip", "*", ANN, "queue:support", "team:sales") == parsed.entries
    assert () == parsed.bad


def test_a_remark_may_follow_an_address() -> None:
    """A queue's name may hold a number sign; an address cannot."""
    parsed = parse_list("Ann@Example.com  # since May\nqueue:Support #1")
    assert (("ann@example.com", "queue:support #1"), ()) == (parsed.entries, parsed.bad)


def test_wrong_lines_are_named_by_number() -> None:
    """An invalid line is reported with its number and text, and has no effect."""
    parsed = parse_list(f"{ANN}\nann\nteam:\nqueue:x\nannexample.com")

    assert [(2, "ann"), (3, "team:"), (5, "annexample.com")] == [
        (line.number, line.text) for line in parsed.bad
    ]
    assert "line 2" in str(parsed.bad[0])


@given(st.text())
def test_no_text_breaks_the_list(text: str) -> None:
    """Any text can be parsed, and parsing the accepted entries again gives the same list."""
    parsed = parse_list(text)
    assert parsed.entries == parse_list("\n".join(parsed.entries)).entries


@given(
    st.lists(st.sampled_from(["*", ANN, "team:sales", "queue:help", "!queue:vip"]), unique=True),
    st.sampled_from([ANN, ANN.upper(), BOB, None]),
    st.sampled_from(["Sales", "sales", "other", None]),
    st.sampled_from(["Help", "VIP", "vip", None]),
)
def test_monitored_is_listed_and_not_excluded(
    entries: list[str], extension: str | None, team: str | None, queue: str | None
) -> None:
    """By e-mail, team, queue or everyone; an excluded queue beats them all; case is alike."""
    listed = (
        "*" in entries
        or (ANN in entries and (extension or "").lower() == ANN)
        or ("team:sales" in entries and (team or "").lower() == "sales")
        or ("queue:help" in entries and (queue or "").lower() == "help")
    )
    excluded = "!queue:vip" in entries and (queue or "").lower() == "vip"
    expected = listed and not excluded

    assert expected == is_monitored(listing(*entries), extension, team, queue)


# Its versions


@given(st.permutations([1, 2, 3, 4]), st.integers(0, 60))
def test_the_version_in_force_does_not_depend_on_how_the_history_came(
    order: list[int], now: int
) -> None:
    """Versions become known in any order, and as often as they like."""
    history = PolicyHistory.of(listing(version=n, at=n * 10) for n in (*order, *order))

    assert (now // 10 if now < 40 else 4) == history.at(now).version
    assert 4 == history.latest.version


def test_before_the_first_version_no_agent_is_monitored() -> None:
    """No version, version 0."""
    assert NOBODY == PolicyHistory().at(T)


def test_monitored_between_looks_at_every_version_in_the_meantime() -> None:
    """On the list for a moment between accepting and leaving is enough; before or after is not."""
    session = CallSession("WRann", None, ANN, None, None, 0, 0, None)
    history = PolicyHistory.of(
        [listing(at=0), listing(ANN, version=2, at=100), listing(version=3, at=200)]
    )

    assert [False, True, True, True, False] == [
        history.monitored_between(session, start, end)
        for start, end in [(0, 100), (0, 101), (150, 160), (150, 999), (200, 999)]
    ]


def test_a_version_that_another_replaces_at_once_was_never_in_force() -> None:
    """Two versions that take effect in the same millisecond: only the later one ever holds."""
    session = CallSession("WRann", None, ANN, None, None, 0, 0, None)
    history = PolicyHistory.of(
        [listing(at=0), listing(ANN, version=2, at=100), listing(version=3, at=100)]
    )
    assert not history.monitored_between(session, 0, 999)
