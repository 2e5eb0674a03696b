"""The metrics of the stream manager."""

import pytest

from agents.metrics import UNSTREAMED_SECONDS
from agents.stream_metrics import StreamMetrics, failed_start
from schemas.records import (
    CommandAnswered,
)
from tests.agents.streamed import T, count_of, counted_core, running_state
from tests.pipeline.streams.calls import TASK
from tests.pipeline.streams.searching import Search


def test_time_without_a_conference_is_not_unstreamed_time() -> None:
    """There is no call that must be recorded."""
    search, metrics = Search(), StreamMetrics()
    search.see()
    before = UNSTREAMED_SECONDS._value.get()
    for _ in range(10):
        search.tick()
        assert search.state is not None
        metrics.ticked(TASK, search.state, search.now)
    assert before == UNSTREAMED_SECONDS._value.get()


@pytest.mark.parametrize(
    ("outcome", "code", "detail", "kind"),
    [
        ("done", None, "started", None),
        ("superseded", None, "", None),
        ("failed", 21220, "no", "refused"),
        ("expired", 21220, "call is not in-progress", "refused"),
        ("expired", 404, "not found", "refused"),
        ("expired", 20429, "too many requests", "unreachable"),
        ("expired", 503, "away", "unreachable"),
        ("expired", None, "no answer", "unreachable"),
        ("expired", None, "no customer leg in the conference", "no-leg"),
    ],
)
def test_a_start_that_failed_is_counted_by_kind(
    outcome: str, code: int | None, detail: str, kind: str | None
) -> None:
    """Starts that Twilio refused, that could not be requested, or that had no leg; stops do not
    count."""
    answer = CommandAnswered(
        "c", TASK, 1, "start", outcome, None, None, None, code, detail, 1, T
    )  # fmt: skip
    assert kind == failed_start(answer)
    before = count_of("failed_starts", kind=str(kind))
    counted_core().on_record(TASK, running_state(), answer, T)
    assert before + (kind is not None) == count_of("failed_starts", kind=str(kind))
