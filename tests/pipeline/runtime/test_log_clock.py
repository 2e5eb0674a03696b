"""The log's clock in a process: independent of the machine's, measured during any outage."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError
from hypothesis import given
from hypothesis import strategies as st

from pipeline.log_time import Measurement
from pipeline.runtime import log_clock as module
from pipeline.runtime.log_clock import LogClock, log_clock, log_time, skew_reason
from pipeline.runtime.metrics import CLOCK_SKEW
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health
from schemas.codec import decode
from schemas.records import ClockProbe

T0 = 1_700_000_000_000
HOUR_MS = 3_600_000


@dataclass
class Machine:
    """The clocks of a machine (ms); `wall` may be set."""

    wall: int = T0
    uptime: int = 5_000

    def time_ns(self) -> int:
        """As `time.time_ns`."""
        return self.wall * 1_000_000

    def monotonic_ns(self) -> int:
        """As `time.monotonic_ns`."""
        return self.uptime * 1_000_000

    def monotonic(self) -> float:
        """As `time.monotonic`."""
        return self.uptime / 1000

    def passes(self, ms: int) -> None:
        """Let time pass."""
        self.wall += ms
        self.uptime += ms


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine on which the clock runs."""
    made = Machine()
    monkeypatch.setattr(module, "time", made)
    return made


def known(machine: Machine, ahead: int) -> LogClock:
    """A clock that has measured how far the log is ahead of the machine."""
    clock = LogClock()
    clock.measured(Measurement(machine.uptime, machine.uptime + 2, machine.wall + ahead + 1))
    return clock


@given(
    st.integers(-HOUR_MS, HOUR_MS),
    st.lists(st.tuples(st.integers(0, 100_000), st.integers(-HOUR_MS, HOUR_MS)), max_size=10),
)
def test_setting_the_clock_of_the_machine_changes_nothing(
    ahead: int, steps: list[tuple[int, int]]
) -> None:
    """The log's time passes evenly, and the correction equals the change of the machine's clock."""
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine()
        patch.setattr(module, "time", machine)
        clock = known(machine, ahead)
        expected = T0 + ahead
        for passed, step in steps:
            machine.passes(passed)
            machine.wall += step
            expected += passed
            correction = clock.correction()
            assert correction is not None
            assert abs(clock.now() - expected) <= 1
            assert abs(correction - (expected - machine.wall)) <= 1


def test_before_a_measurement_the_machine_counts(machine: Machine) -> None:
    """And it is known that it is not known."""
    clock = LogClock()
    assert (T0, None, None, False) == (
        clock.now(), clock.correction(), clock.settled_seconds(), clock.is_known,
    )  # fmt: skip
    clock.follow_machine()
    machine.wall += 5_000
    assert (T0 + 5_000, (T0 + 5_000) / 1000) == (clock.now(), clock.settled_seconds())


def test_a_jump_is_reported_and_a_small_correction_is_not(machine: Machine) -> None:
    """The first measurement is one if the machine's clock is wrong."""
    jumps: list[int] = []
    clock = LogClock()
    clock.on_jump.append(jumps.append)
    for ahead in (600_001, 600_300, 300):
        at = machine.uptime
        clock.measured(Measurement(at, at + 2, T0 + ahead))
    assert [600_000, -600_000] == [round(jump, -2) for jump in jumps]


@dataclass
class FakeKafka:
    """Acknowledges probes with the log's time, unless their partition is silent."""

    machine: Machine
    ahead: int = 0
    timestamp_type: int = 1
    silent: frozenset[int] = frozenset()
    error: Exception | None = None
    asked: list[int] = field(default_factory=list)
    probes: list[ClockProbe] = field(default_factory=list)

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""

    async def partitions_for(self, _topic: str) -> set[int]:
        """All of them."""
        return {0, 1, 2}

    async def send(self, _topic: str, value: bytes, *, partition: int) -> asyncio.Future[Any]:
        """Take a probe."""
        self.asked.append(partition)
        self.probes.append(decode(value))
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.error is not None:
            answer.set_exception(self.error)
        elif partition in self.silent:
            answer.set_exception(KafkaTimeoutError())
        else:
            answer.set_result(_Answer(self.machine.wall + self.ahead, self.timestamp_type))
        return answer


@dataclass(frozen=True)
class _Answer:
    timestamp: int
    timestamp_type: int


@pytest.fixture
def kafka(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    """Return a Kafka with a correct clock, and a machine with a clock that the test sets."""
    made = FakeKafka(machine)

    async def ensure_topics(*_: Any, **__: Any) -> None:
        if isinstance(made.error, SettingsError):
            raise made.error

    monkeypatch.setattr(module, "producer", lambda *_, **__: made)
    monkeypatch.setattr(module, "ensure_topics", ensure_topics)
    monkeypatch.setattr(module, "PROBE_S", 0.001)
    monkeypatch.setattr(module, "FIRST_PROBES_S", 0.001)
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "COMMAND_S", 0.2)
    return made


@pytest.mark.parametrize("ahead", [-HOUR_MS, -600_000, 0, 600_000, HOUR_MS])
async def test_the_log_clock_is_measured_and_skew_is_reported(kafka: FakeKafka, ahead: int) -> None:
    """The warning names the process and the amount; nothing turns red."""
    kafka.ahead = ahead
    health = Health()
    async with log_clock(Settings(instance="gateway-7"), health) as clock:
        await clock.settled()
        await _probes(kafka, 3)
        assert abs(clock.now() - T0 - ahead) <= 1
        assert {} == health.reasons
        warning = health.warnings.get("clock", "")
    assert abs(CLOCK_SKEW._value.get() + ahead / 1000) < 0.01
    side = "behind" if ahead > 0 else "ahead of"
    assert (
        "" if not ahead else f"gateway-7 is {abs(ahead) / 1000:.1f} s {side} Kafka's"
    ) in warning
    assert bool(warning) == bool(ahead)
    assert {T0} == {probe.at for probe in kafka.probes}


async def test_a_partition_without_a_leader_is_passed_over(kafka: FakeKafka) -> None:
    """One that answers is enough."""
    kafka.ahead, kafka.silent = 5_000, frozenset({0, 2})
    async with log_clock(Settings(), Health()) as clock:
        await clock.settled()
    assert [0, 1] == kafka.asked[:2]
    assert clock.is_known


async def test_topics_with_the_timestamps_of_producers_leave_the_machine_its_clock(
    kafka: FakeKafka,
) -> None:
    """It is settled, and not known; the log's clock counts as soon as the topic is changed."""
    kafka.ahead, kafka.timestamp_type = 5_000, 0
    async with log_clock(Settings(), Health()) as clock:
        await clock.settled()
        assert (T0, None) == (clock.now(), clock.correction())
        kafka.timestamp_type = 1
        await _probes(kafka, 3)
        assert abs(clock.now() - T0 - 5_000) <= 1


@pytest.mark.parametrize(
    "error", [TopicAuthorizationFailedError("clock"), SettingsError("topic clock cannot be made")]
)
async def test_without_the_right_to_write_recording_continues(
    kafka: FakeKafka, error: Exception
) -> None:
    """By the machine's clock, with a warning."""
    kafka.error = error
    health = Health()
    async with log_clock(Settings(), health) as clock:
        await clock.settled()
    assert "Kafka's clock cannot be measured" in health.warnings["clock"]


async def test_while_kafka_is_away_nothing_is_settled_and_a_stop_ends_the_wait(
    kafka: FakeKafka,
) -> None:
    """A command takes the machine's clock after a while."""
    kafka.error = KafkaTimeoutError()
    stop = asyncio.Event()
    async with log_clock(Settings(), Health()) as clock:
        await _probes(kafka, 9)
        assert clock.settled_seconds() is None
        stop.set()
        await clock.settled(stop)
    assert T0 == await log_time(Settings())


async def test_a_command_asks_for_the_log_time(kafka: FakeKafka) -> None:
    """Once."""
    kafka.ahead = HOUR_MS
    assert abs(await log_time(Settings()) - T0 - HOUR_MS) <= 1


def test_a_skew_says_which_side_is_right() -> None:
    """For readers of the health check."""
    assert "of gateway-0 is 600.0 s behind Kafka's" in skew_reason("gateway-0", 600_000)
    assert "of bridge-1 is 3.5 s ahead of Kafka's" in skew_reason("bridge-1", -3_500)


async def _probes(kafka: FakeKafka, count: int) -> None:
    """Return after so many more probes."""
    seen = len(kafka.asked)
    async with asyncio.timeout(10):
        while len(kafka.asked) < seen + count:  # noqa: ASYNC110 - probes wait for nothing of ours
            await asyncio.sleep(0.001)
