"""Log lines about a state that lasts."""

from structlog.testing import capture_logs

from pipeline.runtime.state_log import Lasting


def test_one_line_a_minute() -> None:
    """At once, then each minute; another reason after ten seconds; the end only if there was a
    beginning."""
    state = Lasting("waiting", "over")
    with capture_logs() as lines:
        state.ends()
        for second in range(150):
            state.lasts(float(second), "other" if second >= 100 else "first")
        state.ends()
        state.ends()
    assert [("waiting", "first"), ("waiting", "first"), ("waiting", "other"), ("over", None)] == [
        (line["event"], line.get("reason")) for line in lines
    ]
