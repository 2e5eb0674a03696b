"""Find a role that is not one of the pipeline's own: a Python module for `flexcapture run`."""

import importlib
import sys
from inspect import iscoroutinefunction
from pathlib import Path
from types import ModuleType
from typing import Any

from cli.roles import RoleEntry
from pipeline.runtime.settings import Role
from schemas.topics import Topic


class NoRole(ValueError):
    """The module is not a role. The text gives the reason and the remedy."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    run = commands.add_parser("run", help="run one process of your own role")
    run.add_argument(
        "module", metavar="MODULE", help="Python module of the role, with SPEC and run"
    )
    run.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")


def found(module: str) -> tuple[str, RoleEntry]:
    """Import a module, also from the working directory, and return its role and the role's name.
    Raise `NoRole`, and the errors of the module itself."""
    imported = _imported(module)
    name = getattr(getattr(imported, "SPEC", None), "name", None)
    run = getattr(imported, "run", None)
    if not isinstance(name, str) or not iscoroutinefunction(run):
        raise NoRole(
            f"{module} is no role: it needs SPEC, a RoleSpec, and async def "
            "run(settings, health, stop)"
        )
    if name in set(Role):
        raise NoRole(f"{module}: {name} is a role of the pipeline: run `flexcapture {name}`")
    return name, RoleEntry(module, lambda: run)


def topics_of(module: str) -> tuple[Topic, ...]:
    """Import a module with a role and return the topics that its `SPEC` reads and writes. Raise
    `NoRole`, and the errors of the module itself."""
    found(module)
    spec = sys.modules[module].SPEC
    return (*spec.sources, *spec.targets)


def _imported(module: str) -> ModuleType:
    if not all(part.isidentifier() for part in module.split(".")):
        raise NoRole(f"{module!r} is no name of a module, as in `import`")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that it hides no module of ours
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there, and another that it imports is missing
        raise NoRole(
            f"there is no module {module}: give its name as in `import`, and run this in the "
            "directory of its package, or set PYTHONPATH"
        ) from error
