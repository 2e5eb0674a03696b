"""The estimate of the log's clock from acknowledged records."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from pipeline.log_time import Measurement, OffsetEstimate

WINDOW_MS = 60_000
T0 = 1_700_000_000_000


@dataclass(frozen=True)
class Probe:
    """One probe: how long after the last one it is sent, and its ways to the broker and back."""

    pause: float
    there: float
    back: float


PROBES = st.builds(Probe, st.floats(0, 10_000), st.floats(0, 5_000), st.floats(0, 5_000))
OFFSETS = st.floats(-2_000_000_000_000, 2_000_000_000_000)


def measured(probes: list[Probe], offset: float, since: float = 1_000.0) -> list[Measurement]:
    """Return the measurement of a process with a monotonic clock `offset` behind the log's."""
    now, found = since, []
    for probe in probes:
        sent_at = now + probe.pause
        appended_at = sent_at + probe.there
        now = appended_at + probe.back
        found.append(Measurement(sent_at, now, int((appended_at + offset) // 1)))
    return found


@given(st.lists(PROBES, min_size=1, max_size=30), OFFSETS)
def test_the_error_is_at_most_half_of_the_shortest_round_trip_in_the_window(
    probes: list[Probe], offset: float
) -> None:
    """For any duration of each probe, in either direction."""
    estimate = OffsetEstimate()
    measurements = measured(probes, offset)
    for measurement in measurements:
        estimate.take(measurement)
    since = measurements[-1].acknowledged_at - WINDOW_MS
    round_trips = [
        each.acknowledged_at - each.sent_at
        for each in measurements
        if each.acknowledged_at >= since
    ]
    assert estimate.offset is not None
    assert abs(estimate.offset - offset) <= min(round_trips) / 2 + 1


@given(
    st.lists(PROBES, min_size=1, max_size=20),
    st.lists(PROBES, min_size=1, max_size=20),
    OFFSETS,
    st.floats(-4_000_000, 4_000_000),
)
def test_a_step_of_the_log_clock_is_followed_at_once(
    before: list[Probe], after: list[Probe], offset: float, step: float
) -> None:
    """Or of the monotonic clock, which stands still while the machine sleeps: after the next probe
    the error is as small as that probe allows."""
    estimate = OffsetEstimate()
    measurements = measured(before, offset)
    for measurement in measurements:
        estimate.take(measurement)
    for measurement in measured(after, offset + step, measurements[-1].acknowledged_at):
        estimate.take(measurement)
        assert estimate.offset is not None
        error = abs(estimate.offset - offset - step)
        assert error <= measurement.acknowledged_at - measurement.sent_at + 2


def test_a_measurement_bounds_the_offset() -> None:
    """The broker rounds its time down, by less than 1 ms. The estimate is the middle."""
    measurement = Measurement(1_000, 1_004, T0 + 1_002)
    assert (T0 - 2, T0 + 3) == (measurement.least, measurement.greatest)
    estimate = OffsetEstimate()
    estimate.take(measurement)
    assert T0 + 0.5 == estimate.offset


def test_a_slow_probe_does_not_spoil_the_estimate() -> None:
    """A process that was stopped for 20 s between sending and reading the answer."""
    estimate = OffsetEstimate()
    estimate.take(Measurement(1_000, 1_004, T0 + 1_002))
    estimate.take(Measurement(3_000, 23_000, T0 + 3_002))
    assert estimate.offset is not None
    assert abs(estimate.offset - T0) <= 2.5
