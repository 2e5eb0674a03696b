"""The result of mutating a module, and the table of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.mutants.session import Mutation

HEAD = (
    "| module | mutations | killed | equivalent | survived | noticed |\n|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Count:
    """The result of a module. `possible`: its mutations, of which a sample was tried."""

    module: str
    possible: int
    killed: int
    equivalent: int
    survived: int

    @property
    def share(self) -> float:
        """The share that tests noticed among the mutations that change behaviour."""
        tried = self.killed + self.survived
        return self.killed / tried if tried else 1.0

    def row(self) -> str:
        """Return a row of the table."""
        cells = (self.module, self.possible, self.killed, self.equivalent, self.survived)
        return f"| {' | '.join(map(str, cells))} | {self.share:.0%} |"


def total(counts: Sequence[Count]) -> Count:
    """Return the sum over all modules."""
    return Count(
        module="all",
        possible=sum(count.possible for count in counts),
        killed=sum(count.killed for count in counts),
        equivalent=sum(count.equivalent for count in counts),
        survived=sum(count.survived for count in counts),
    )


def table(counts: Sequence[Count]) -> str:
    """Return the table of all modules, as Markdown."""
    return "\n".join([HEAD, *(count.row() for count in (*counts, total(counts)))])


def survivor(mutation: Mutation) -> str:
    """Return what a mutation changed that no test noticed."""
    where = f"{mutation.module}:{mutation.line} {mutation.function}"
    return f"{where}\n  - {mutation.was}\n  + {mutation.becomes}"
