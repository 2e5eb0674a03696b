"""The modules that are mutated, each with the tests that must notice a change of its behaviour."""

from dataclasses import dataclass
from pathlib import Path

from tools.structure import expected_test


@dataclass(frozen=True, slots=True)
class Target:
    """A module, and its tests besides the test module of its name; paths from the repository's
    root. None of the tests needs a broker."""

    module: str
    neighbours: tuple[str, ...] = ()

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests to run, those of the module's name first."""
        return (str(expected_test(Path(self.module))), *self.neighbours)

    @property
    def name(self) -> str:
        """The module's path without its ending."""
        return self.module.removesuffix(".py")


_CALLS = "tests/pipeline/calls/"
_STREAMS = "tests/pipeline/streams/"
_RECORDINGS = "tests/pipeline/recordings/"
_MEDIA = "tests/gateway/media/"

TARGETS = (
    Target("pipeline/policy/decide.py"),
    Target("pipeline/calls/merge.py", (f"{_CALLS}test_bounds.py", f"{_CALLS}test_event_sids.py")),
    Target("pipeline/calls/view.py", (f"{_CALLS}test_view_sessions.py", f"{_CALLS}test_claims.py")),
    Target(
        "pipeline/calls/legs.py",
        (f"{_CALLS}test_legs_of_workers.py",),
    ),
    Target("pipeline/streams/reconcile.py", (f"{_STREAMS}test_stops.py",)),
    Target("pipeline/streams/manager.py", (f"{_STREAMS}test_reconcile.py",)),
    Target("pipeline/media/timeline.py"),
    Target("pipeline/recordings/partition.py", (f"{_RECORDINGS}test_endings.py",)),
    Target("pipeline/recordings/track.py"),
    Target("pipeline/recordings/trailing_loss.py"),
    Target("gateway/media/protocol.py", (f"{_MEDIA}test_silence.py",)),
    Target("gateway/media/batching.py", (f"{_MEDIA}test_batches.py",)),
    Target("gateway/publishing/send_queue.py"),
    Target("pipeline/contacts/match.py"),
    Target("pipeline/contacts/gaps.py"),
    Target("pipeline/kinesis/lineage.py"),
    Target("bridge/shard_carrier.py"),
    Target("agents/faust_runner/outbox.py"),
)
