"""The records of `calls`, made by the tracker's core from the simulator's events."""

from agents.tracker import TrackerCore
from benchmarks.calls import KeyAndValue, cti_events
from schemas.codec import decode, encode
from schemas.records import Call, ForgottenCall
from schemas.topics import CALLS


def call_versions(count: int, now: int) -> list[KeyAndValue]:
    """Return the records of `calls` that a tracker makes of `count` Kinesis records."""
    core, states = TrackerCore(), dict[str, Call | ForgottenCall | None]()
    versions: list[KeyAndValue] = []
    for key, value in cti_events(count, now):
        name = key.decode()
        step = core.on_record(name, states.get(name), decode(value), now)
        states[name] = step.state
        versions += [(key, encode(out.record)) for out in step.outputs if out.topic == CALLS]
    return versions
