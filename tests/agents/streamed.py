"""A call of a monitored agent as the stream manager gets it, and its metrics."""

from dataclasses import replace

from prometheus_client import REGISTRY

from agents.stream_manager import StreamsCore
from agents.stream_metrics import StreamMetrics
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import CallStreams, LegCheck, MediaStreamOpened, RecordingPolicy
from tests.agents.counted import CountedCore
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, reservation

T = 1_000_000
ACTIVE = reservation(ANN, created=T, accepted=T)


def streams_core(*, starts: bool = True) -> StreamsCore:
    """Return a core with ann on the list."""
    history = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)])
    return StreamsCore(history, starts=starts)


def counted_core() -> CountedCore:
    """Return such a core with its metrics."""
    return CountedCore(streams_core(), StreamMetrics().observe)


def running_state() -> CallStreams:
    """Return the state of the call with a media stream at gateway `g1` and a confirmed leg."""
    core = streams_core()
    state = core.on_record(TASK, None, call(ACTIVE), T).state
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, T)
    state = core.on_record(TASK, state, opened, T).state
    assert state is not None
    return replace(state, legs=(LegCheck(CUSTOMER_LEG, "confirmed", 1, T, None, ()),))


def count_of(name: str, **labels: str) -> float:
    """Return the value of the counter `flexcapture_NAME_total`; 0 if it has not counted yet."""
    return REGISTRY.get_sample_value(f"flexcapture_{name}_total", labels) or 0.0
