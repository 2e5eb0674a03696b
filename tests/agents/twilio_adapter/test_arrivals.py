"""The adapter's health while started media streams reach no gateway."""

from dataclasses import replace

from agents.twilio_adapter.arrivals import ArrivalWatch
from agents.twilio_adapter.metrics import STARTED_WITHOUT_SOCKET
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.streams.arrivals import ARRIVAL_MS
from schemas.records import (
    CommandAnswered,
    HandshakeRefused,
    MediaStreamChanged,
    MediaStreamOpened,
)

TASK = "WT" + "a" * 32
LEG = "CA" + "b" * 32
ANSWER = CommandAnswered(
    command_id="start:1", task_sid=TASK, generation=1, command="start", outcome="done",
    call_sid=LEG, stream_sid="MZ1", name="fc", code=None, detail="started", attempts=1, at=0,
)  # fmt: skip
OPENED = MediaStreamOpened(
    stream_sid="MZ1", call_sid=LEG, task_sid=TASK, name="fc", generation=1, gateway="gateway-1",
    epoch=1, at=0,
)  # fmt: skip
CHANGED = MediaStreamChanged(
    task_sid=TASK, generation=1, name="fc", call_sid=LEG, stream_sid="MZ1", state="stopping",
    reason="stopped: call ended", at=0,
)  # fmt: skip
REFUSED = HandshakeRefused(
    task_sid=TASK, call_sid=LEG, generation=1, gateway="gateway-1", epoch=1, at=0,
    reason="ticket-expired",
)  # fmt: skip


class Scene:
    """A watch, and the time at which everything of now is due."""

    def __init__(self) -> None:
        self.health = Health()
        self.watch = ArrivalWatch(Settings(), self.health, lambda: self.now)
        self.now = 1_700_000_000_000

    def due(self, later_ms: int = 5_000) -> dict[str, str]:
        """What health says some time after the deadline, everything read until then."""
        at = self.now + ARRIVAL_MS + later_ms
        self.watch.look(at, at)
        return self.health.reasons


def test_a_start_without_a_socket_turns_health_red() -> None:
    """The reason names the settings to check, and is counted. Health is green with the next
    arrival."""
    scene = Scene()
    counted = STARTED_WITHOUT_SOCKET._value.get()
    scene.watch.answered(ANSWER)
    assert "1 media stream was started and reached no gateway" in scene.due()["gateway"]
    assert "FLEXCAPTURE_GATEWAY_PUBLIC_URL" in scene.health.reasons["gateway"]
    scene.watch.take(replace(OPENED, generation=2), scene.now + 20_000)
    assert {} == scene.due(20_000)
    assert 1 == STARTED_WITHOUT_SOCKET._value.get() - counted


def test_the_reasons_of_refused_handshakes_are_shown() -> None:
    """The gateways publish them."""
    scene = Scene()
    scene.watch.answered(ANSWER)
    scene.watch.answered(replace(ANSWER, generation=2))
    scene.watch.take(REFUSED, scene.now)
    assert "2 media streams were" in scene.due()["gateway"]
    assert "(handshakes refused: ticket-expired)" in scene.health.reasons["gateway"]


def test_what_arrived_or_was_stopped_is_no_trouble() -> None:
    """An opened media stream, one that is being stopped, and one of which Twilio only said that it
    was there already; also a start that failed, and a stop."""
    scene = Scene()
    for generation in range(1, 6):
        changes = (
            {}, {}, {"stream_sid": None}, {"outcome": "failed"}, {"command": "stop"},
        )[generation - 1]  # fmt: skip
        scene.watch.answered(replace(ANSWER, generation=generation, **changes))
    scene.watch.take(OPENED, scene.now)
    scene.watch.take(replace(CHANGED, generation=2), scene.now)
    assert {} == scene.due()


def test_a_media_stream_that_the_stream_manager_gave_up_is_missing() -> None:
    """It gives one up after 5 s, and stops it: that is the trouble, not its end."""
    scene = Scene()
    scene.watch.answered(ANSWER)
    reason = "failed: started, but never reached a gateway"
    scene.watch.take(replace(CHANGED, state="failed", reason=reason), scene.now)
    assert "gateway" in scene.due()


def test_nothing_is_judged_before_all_is_read() -> None:
    """Time alone does not turn health red."""
    scene = Scene()
    scene.watch.answered(ANSWER)
    scene.watch.look(None, scene.now + 60_000)
    assert {} == scene.health.reasons
