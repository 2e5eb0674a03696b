"""What a core decided about one record, ready to be carried out."""

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
    """A step, and what of it is written: its outputs, and its state where that is another."""

    incoming: Incoming
    key: str
    before: S | None
    step: Step[S]
    outputs: Sequence[tuple[Output, bytes]]
    state: bytes | None

    @classmethod
    def of(cls, incoming: Incoming, key: str, before: S | None, step: Step[S]) -> "Decided[S]":
        """Encodes what is to be written; raises what that raises."""
        outputs = [(output, encode(output.record)) for output in step.outputs]
        changed = step.state is not None and step.state is not before
        state = _bytes(step, outputs) if changed else None
        return cls(incoming, key, before, step, outputs, state)

    def is_small(self) -> bool:
        """Whether it is far from what Kafka refuses: that must not befall what it stands for."""
        return sum(len(value) for _, value in self.outputs) < _SMALL_BYTES

    def instead_of(self, earlier: "Decided[S]") -> "Decided[S]":
        """This one, standing for an earlier one of its key too."""
        told = self if self.step.outputs else earlier
        return replace(
            self,
            before=earlier.before,
            step=replace(self.step, outputs=told.step.outputs),
            outputs=told.outputs,
            state=earlier.state if self.state is None else self.state,
        )


def _bytes(step: Step[Any], outputs: list[tuple[Output, bytes]]) -> bytes:
    """The state's bytes; where the state is itself published, its bytes are not made twice."""
    for output, value in outputs:
        if output.record is step.state:
            return value
    return encode(step.state)
