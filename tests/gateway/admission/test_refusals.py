"""Warnings of refused handshakes, and the limit of their reports."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.refusals import MAX_REPORTS, REMEDIES, Refusals
from gateway.admission.signature import Verdict


def test_a_stranger_is_no_reason_to_warn():
    """Anyone can knock without a signature."""
    refusals = Refusals()
    for verdict in (
        Verdict.UNSIGNED,
        Verdict.WRONG_PATH,
        Verdict.NO_TICKET,
    ):
        refusals.refused(verdict, 10.0, genuine=False)
    assert refusals.warning(10.0) is None


def test_a_warning_says_what_is_wrong_and_what_to_check():
    """The last reason counts, with the setting or the clocks behind it."""
    for verdict, word in (
        (Verdict.WRONG_TOKEN, "AUTH_TOKEN"),
        (Verdict.WRONG_SIGNATURE, "AUTH_TOKEN"),
        (Verdict.WRONG_URL, "PUBLIC_URL"),
        (Verdict.TICKET_EXPIRED, "clocks"),
        (Verdict.TICKET_AHEAD, "clocks"),
    ):
        refusals = Refusals()
        refusals.refused(verdict, 10.0, genuine=verdict is not Verdict.WRONG_SIGNATURE)
        warning = refusals.warning(70.0)
        assert warning is not None
        assert f"the last one as {verdict.value}" in warning
        assert word in warning
        assert REMEDIES[verdict] in warning


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stranger", "genuine", "wrong", "accepted", ""]), st.floats(0, 90)
        )
    )
)
def test_a_warning_stands_exactly_while_refusals_are_fresh_and_nothing_was_accepted(steps):
    """Within the last minute, both."""
    refusals, now = Refusals(), 1_000.0
    refused: list[float] = []
    accepted: list[float] = []
    for kind, pause in steps:
        now += pause
        if kind == "accepted":
            refusals.accepted(now)
            accepted.append(now)
        elif kind:
            verdict = Verdict.WRONG_SIGNATURE if kind == "wrong" else Verdict.UNSIGNED
            refusals.refused(verdict, now, genuine=kind == "genuine")
            refused += [] if kind == "stranger" else [now]
        expected = any(now - at <= 60 for at in refused) and not any(
            now - at <= 60 for at in accepted
        )
        assert expected == (refusals.warning(now) is not None)


def test_reports_are_bounded():
    """So many in a second; more are allowed in the next one."""
    refusals = Refusals()
    assert MAX_REPORTS == sum(refusals.may_report(50.5) for _ in range(500))
    assert refusals.may_report(51.0)
