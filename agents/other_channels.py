"""Count calls in task channels that are not recorded, and log each such channel once."""

import structlog

from agents.metrics import IGNORED_CALLS

log = structlog.get_logger(__name__)

MAX_CHANNELS = 50
"""The number of channels that are counted separately. Further channels are counted together."""
FURTHER = "further channels"


class OtherChannels:
    """The channels that this process has reported."""

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def report(self, channel: str) -> None:
        """Count a task of the channel that has a call. Log the first one of each channel."""
        name = channel.lower()
        if name not in self._reported and len(self._reported) >= MAX_CHANNELS:
            name = FURTHER
        IGNORED_CALLS.labels(name).inc()
        if name in self._reported:
            return
        self._reported.add(name)
        log.warning(
            "tasks of this channel have calls, which are not recorded: if it carries voice, add it "
            "to FLEXCAPTURE_VOICE_CHANNELS",
            channel=name,
        )
