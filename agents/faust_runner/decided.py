"""A core's decision about one record, ready to be carried out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from agents.faust_runner.core import Incoming, Output, Step
from schemas.codec import encode
from schemas.fast_dataclass import dataclass

S = TypeVar("S")

_SMALL_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Decided(Generic[S]):
    """A step and its encoded records: its outputs, and its state if that changed."""

    incoming: Incoming
    key: str
    before: S | None
    step: Step[S]
    outputs: Sequence[tuple[Output, bytes]]
    state: bytes | None

    @classmethod
    def of(cls, incoming: Incoming, key: str, before: S | None, step: Step[S]) -> "Decided[S]":
        """Encode the outputs and the changed state. Raise what `encode` raises."""
        outputs = [(output, encode(output.record)) for output in step.outputs]
        changed = step.state is not None and step.state is not before
        state = _bytes(step, outputs) if changed else None
        return cls(incoming, key, before, step, outputs, state)

    def is_small(self) -> bool:
        """Return whether the step is well below Kafka's record size limit. Only such steps may be
        coalesced: if a coalesced step were refused, the steps that it replaced would be lost
        too."""
        return sum(len(value) for _, value in self.outputs) < _SMALL_BYTES

    def instead_of(self, earlier: "Decided[S]") -> "Decided[S]":
        """Return this step, made to replace an earlier one of its key as well. An output of the
        earlier step is kept, unless this step has one on the same topic with the same key."""
        newer = {(output.topic.name, output.key) for output, _ in self.outputs}
        kept = [each for each in earlier.outputs if (each[0].topic.name, each[0].key) not in newer]
        outputs = [*kept, *self.outputs]
        return replace(
            self,
            before=earlier.before,
            step=replace(self.step, outputs=tuple(output for output, _ in outputs)),
            outputs=outputs,
            state=earlier.state if self.state is None else self.state,
        )


def _bytes(step: Step[Any], outputs: list[tuple[Output, bytes]]) -> bytes:
    """Return the state's bytes. If the state is also published, reuse the bytes of that output."""
    for output, value in outputs:
        if output.record is step.state:
            return value
    return encode(step.state)
