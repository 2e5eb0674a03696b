"""Tasks of other channels are reported."""

from structlog.testing import capture_logs

from agents.metrics import IGNORED_CALLS
from agents.other_channels import FURTHER, MAX_CHANNELS, OtherChannels


def test_one_log_line_a_channel_and_a_count_a_task() -> None:
    """For any number of channels."""
    channels = OtherChannels()
    with capture_logs() as lines:
        for _ in range(3):
            for name in ("one", "ONE", "two"):
                channels.report(name)
        for number in range(2 * MAX_CHANNELS):
            channels.report(f"many {number}")
    assert MAX_CHANNELS + 1 == len(lines)
    assert {"one", "two", FURTHER} < {line["channel"] for line in lines}
    assert all("FLEXCAPTURE_VOICE_CHANNELS" in line["event"] for line in lines)
    assert 6 == IGNORED_CALLS.labels("one")._value.get()
    assert MAX_CHANNELS + 2 == IGNORED_CALLS.labels(FURTHER)._value.get()
