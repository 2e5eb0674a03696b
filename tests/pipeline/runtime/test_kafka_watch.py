"""When health is bad because of Kafka, and good again."""

import pytest

from pipeline.runtime.kafka_watch import RED_AFTER_S, Usability


@pytest.mark.parametrize("period", [1.0, 2.5])
def test_red_within_ten_seconds_and_green_at_once(period: float) -> None:
    """Looks that fail make a process red after 5 s and the second of them, and green with the first
    that does not."""
    usability, now = Usability(0.0), 0.0
    while usability.see(now, "away") is None:
        now += period
        assert now <= 10
    assert RED_AFTER_S <= now
    assert usability.see(now + 1, None) is None
    assert usability.see(now + 2, "away") is None


def test_a_process_that_was_held_up_is_not_red() -> None:
    """The first look after a pause of the whole process may fail: that is not Kafka."""
    usability = Usability(0.0)
    assert usability.see(60.0, "away") is None
    assert usability.see(61.0, None) is None
