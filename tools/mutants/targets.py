"""The modules that are mutated, each with the tests that must notice a change of its behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.structure import ROOT, expected_test, has_logic, product_modules

PURE = ("pipeline/", "gateway/media/")
NOT_PURE = ("pipeline/runtime/", "pipeline/store/")
OTHERS = (
    "agents/faust_runner/outbox.py",
    "bridge/shard_carrier.py",
    "gateway/publishing/send_queue.py",
)
"""Shells with decisions of their own: orders, queues, ends."""


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
_RECOVERY = "tests/pipeline/recovery/"
_MEDIA = "tests/gateway/media/"

NEIGHBOURS: Mapping[str, tuple[str, ...]] = {
    "pipeline/policy/decide.py": (
        "tests/pipeline/policy/test_bridging.py",
        "tests/pipeline/policy/test_reason_codes.py",
    ),
    "pipeline/calls/merge.py": (
        f"{_CALLS}test_lifetime.py",
        f"{_CALLS}test_bounds.py",
        f"{_CALLS}test_event_sids.py",
        f"{_CALLS}test_status_callbacks.py",
    ),
    "pipeline/calls/events.py": (
        f"{_CALLS}test_claims.py",
        f"{_CALLS}test_event_sids.py",
        f"{_CALLS}test_status_callbacks.py",
        f"{_CALLS}test_view.py",
    ),
    "pipeline/calls/lifetime.py": (
        f"{_CALLS}test_late_events.py",
        f"{_CALLS}test_added.py",
        f"{_CALLS}test_contested.py",
    ),
    "pipeline/calls/view.py": (f"{_CALLS}test_sessions.py", f"{_CALLS}test_claims.py"),
    "pipeline/calls/legs.py": (f"{_CALLS}test_legs_of_workers.py",),
    "pipeline/streams/reconcile.py": (f"{_STREAMS}test_stops.py",),
    "pipeline/streams/manager.py": (
        f"{_STREAMS}test_reconcile.py",
        f"{_STREAMS}test_conference_search.py",
    ),
    "pipeline/streams/conference_search.py": (f"{_STREAMS}test_gone_legs.py",),
    "pipeline/streams/verification.py": (
        f"{_STREAMS}test_moved_legs.py",
        f"{_STREAMS}test_own_legs.py",
    ),
    "pipeline/contacts/causes.py": ("tests/pipeline/contacts/test_reasons.py",),
    "pipeline/recordings/partition.py": (
        f"{_RECORDINGS}test_endings.py",
        f"{_RECORDINGS}test_late_audio.py",
        f"{_RECORDINGS}test_dropped.py",
    ),
    "pipeline/recordings/manifest.py": (
        f"{_RECORDINGS}test_received_at.py",
        f"{_RECORDINGS}test_trailing_loss.py",
        f"{_RECORDINGS}test_complete_streams.py",
    ),
    "pipeline/recordings/withholding.py": (f"{_RECORDINGS}test_trailing_loss.py",),
    "pipeline/recovery/jobs.py": (f"{_RECOVERY}test_late_contacts.py",),
    "pipeline/recovery/wanted.py": (f"{_RECOVERY}test_late_contacts.py",),
    "gateway/media/protocol.py": (f"{_MEDIA}test_silence.py",),
    "gateway/media/batching.py": (f"{_MEDIA}test_batches.py",),
    "agents/faust_runner/outbox.py": (
        "tests/agents/faust_runner/test_runner.py",
        "tests/agents/faust_runner/test_dead_letters.py",
    ),
}
"""Test modules that state more of a module's behaviour, by module."""


def targets() -> tuple[Target, ...]:
    """Return the pure cores with logic and a test module of their name, and `OTHERS`."""
    pure = [
        str(path)
        for path in product_modules()
        if str(path).startswith(PURE) and not str(path).startswith(NOT_PURE)
    ]
    tested = [
        name
        for name in pure
        if has_logic((ROOT / name).read_text()) and (ROOT / expected_test(Path(name))).exists()
    ]
    return tuple(Target(name, NEIGHBOURS.get(name, ())) for name in (*tested, *OTHERS))
