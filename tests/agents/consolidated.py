"""A call as the consolidator gets it, and the state of a step."""

from agents.faust_runner.core import Step
from schemas.records import ContactState
from tests.pipeline.contacts.records import call, reservation

ANN = call(reservation(1, "ann", created=1_000, accepted=2_000))
"""Ann is on the monitored list and on the call."""
LEFT = call(
    reservation(1, "ann", created=1_000, accepted=2_000, wrapup=30_000),
    revision=2,
    completed=31_000,
)  # fmt: skip
"""The same call after its end."""


def state_of(step: Step[ContactState]) -> ContactState:
    """Return the state after a step that has one."""
    assert step.state is not None
    return step.state
