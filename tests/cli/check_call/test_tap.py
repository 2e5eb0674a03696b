"""Which records a test call takes from the topics."""

from cli.check_call.observations import Observations
from cli.check_call.tap import Tap
from pipeline.twilio.check_tasks import check_task_sid
from schemas.records import GatewayAlive, HandshakeRefused

TASK = check_task_sid(b"12345678")


async def test_records_of_other_calls_are_none_of_its_own() -> None:
    """The tap takes records by their key; a gateway's sign of life shows that one runs."""
    seen = Observations()
    tap = Tap(TASK, seen)
    refused = HandshakeRefused(TASK, "CA1", 1, "g", 1, 1, "wrong-url")
    tap.take("stream.events", b"WT1", refused)
    assert not await tap.until(lambda: bool(tap.gateways), 0.01)
    tap.take("gateways.alive", None, GatewayAlive("g", 1, 1))
    tap.take("stream.events", TASK.encode(), refused)
    assert await tap.until(lambda: bool(tap.gateways), 1)
    assert [refused] == seen.refused
