"""A seeded sample of a module's mutations, with its results so far, which a later run reuses.

A mutation is applied to a copy of the source tree, so that the tree itself never changes.
"""

import hashlib
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkItem

from tools.mutants.operators import is_declared, operator_names, register

register()


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of a module. `was`, `becomes`: the changed lines, without indentation; they
    identify the mutation also after other lines of the module have changed."""

    module: str
    function: str
    line: int
    was: str
    becomes: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What identifies the mutation in the list of equivalent ones."""
        return self.module, self.function, self.was, self.becomes


def mutations_of(module: str, source: str) -> list[WorkItem]:
    """Return all mutations of a module, always in the same order."""
    tree = get_ast(source)
    found = []
    for name in operator_names():
        operator = plugins.get_operator(name)()
        places = ((n, at) for n in ast_nodes(tree) for at in operator.mutation_positions(n))
        for occurrence, (node, (start, end)) in enumerate(places):
            if not is_declared(node):
                spec = MutationSpec(
                    module_path=module,
                    operator_name=name,
                    occurrence=occurrence,
                    start_pos=start,
                    end_pos=end,
                    definition_name=ASTQuery(node).get_definition_name(),
                )
                found.append(WorkItem.single(f"{name}:{occurrence}", spec))
    return found


def sample(items: list[WorkItem], module: str, seed: int, size: int) -> list[WorkItem]:
    """Return a sample of the mutations. A larger one of the same seed contains a smaller one."""
    drawn = random.Random(f"{seed} {module}").sample(items, len(items))  # noqa: S311 - no secret
    return drawn[:size]


def described(item: WorkItem, source: str) -> Mutation:
    """Return what a mutation changes in the module's source."""
    spec = item.mutations[0]
    operator = plugins.get_operator(spec.operator_name)()
    before = source.splitlines()
    after = (mutate_code(source, operator, spec.occurrence) or source).splitlines()
    first = next(i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
    pairs = zip(reversed(before[first:]), reversed(after[first:]), strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), 0)
    return Mutation(
        module=str(spec.module_path),
        function=spec.definition_name or "",
        line=first + 1,
        was=_joined(before[first : len(before) - same]),
        becomes=_joined(after[first : len(after) - same]),
    )


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


@contextmanager
def opened(directory: Path, module: str, source: str, items: list[WorkItem]) -> Iterator[WorkDB]:
    """Open the results of the module as it is now, with these mutations in it."""
    directory.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    name = module.removesuffix(".py").replace("/", ".")
    with use_db(str(directory / f"{name}-{digest}.sqlite")) as db:
        known = {item.job_id for item in db.work_items}
        db.add_work_items(item for item in items if item.job_id not in known)
        yield db


def killed(db: WorkDB) -> set[str]:
    """Return the ids of the mutations that a test has noticed."""
    return {job for job, result in db.results if result.test_outcome == TestOutcome.KILLED}


def copy_tree(root: Path, to: Path) -> None:
    """Copy the files that git knows, and new ones it does not ignore."""
    shutil.rmtree(to, ignore_errors=True)
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
