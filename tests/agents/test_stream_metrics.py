"""What the stream manager counts."""

from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from agents.metrics import UNSTREAMED_SECONDS
from agents.stream_manager import StreamsCore
from agents.stream_metrics import StreamMetrics, failed_start
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import (
    CallStreams,
    CommandAnswered,
    LegCheck,
    MediaStreamOpened,
    RecordingPolicy,
)
from tests.agents.counted import CountedCore
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, reservation
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


T = 1_000_000
ACTIVE = reservation(ANN, created=T, accepted=T)


def _core() -> StreamsCore:
    return StreamsCore(PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)]))


def _counted_core() -> CountedCore:
    return CountedCore(_core(), StreamMetrics().observe)


def _running() -> CallStreams:
    core = _core()
    state = core.on_record(TASK, None, call(ACTIVE), T).state
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, T)
    state = core.on_record(TASK, state, opened, T).state
    assert state is not None
    return replace(state, legs=(LegCheck(CUSTOMER_LEG, "confirmed", 1, T, None, ()),))


def _counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"flexcapture_{name}_total", labels) or 0.0


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
    """What Twilio refused, could not be asked, or had no leg for; a stop is none."""
    answer = CommandAnswered(
        "c", TASK, 1, "start", outcome, None, None, None, code, detail, 1, T
    )  # fmt: skip
    assert kind == failed_start(answer)
    before = _counted("failed_starts", kind=str(kind))
    _counted_core().on_record(TASK, _running(), answer, T)
    assert before + (kind is not None) == _counted("failed_starts", kind=str(kind))
