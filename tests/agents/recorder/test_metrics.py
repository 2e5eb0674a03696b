"""The metrics of complete recordings."""

from dataclasses import replace

from prometheus_client import REGISTRY

from agents.recorder.metrics import count_completed
from pipeline.recordings.effects import RecordingEnded
from pipeline.recordings.manifest import completed
from schemas.records import RecordingCompleted
from tests.agents.recorder.parts import of_kind, story


def done() -> RecordingCompleted:
    """Return a complete recording."""
    [ended] = of_kind(story(), RecordingEnded)
    return completed(ended, 1_000, "hash")


def sample(name: str, **labels: str) -> float:
    """Return the present value of a counter."""
    return REGISTRY.get_sample_value(f"flexcapture_recorder_{name}_total", labels) or 0.0


def test_frames_are_counted_by_outcome_and_reason() -> None:
    """A frame that is lost is in both metrics."""
    record = replace(
        done(), received=90, lost=7, duplicate=3, overlap=2, invalid=1, withheld=4,
        lost_for={"not-received": 5, "spill-full": 2}, reason="stop",
    )  # fmt: skip
    outcomes = ("received", "lost", "duplicate", "overlap", "invalid", "withheld")
    reasons = ("not-received", "spill-full")
    before = [sample("frames", outcome=outcome) for outcome in outcomes]
    lost = [sample("frames_lost", reason=reason) for reason in reasons]
    ended = sample("recordings_completed", reason="stop")
    count_completed(record)
    after = [sample("frames", outcome=outcome) for outcome in outcomes]
    assert [90, 7, 3, 2, 1, 4] == [b - a for a, b in zip(before, after, strict=True)]
    assert [5, 2] == [
        sample("frames_lost", reason=r) - n for r, n in zip(reasons, lost, strict=True)
    ]
    assert ended + 1 == sample("recordings_completed", reason="stop")


def test_supplements_are_counted_apart() -> None:
    """They are recordings, too."""
    before = sample("supplements")
    count_completed(done())
    assert before == sample("supplements")
    count_completed(replace(done(), supplement_of="178000000200000042"))
    assert before + 1 == sample("supplements")
