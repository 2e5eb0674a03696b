"""Facts about the code's structure: lengths of modules and functions, names of classes, tests.

tests/tools/test_structure.py checks them.
"""

import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_PRODUCT = ("tests/", "benchmarks/", "tools/", "examples/")
MIGRATIONS = "pipeline/store/migrations/"
DECISIONS = (
    ast.If,
    ast.IfExp,
    ast.Match,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.comprehension,
    ast.BoolOp,
    ast.Compare,
    ast.BinOp,
    ast.UnaryOp,
    ast.Try,
    ast.Raise,
)
"""Syntax of a function that decides or computes something: see `has_logic`."""


def python_files() -> list[Path]:
    """Return the Python files in git that exist, relative to `ROOT`, in order."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(path for name in listed.stdout.split() if (ROOT / (path := Path(name))).exists())


def product_modules() -> list[Path]:
    """Return the product's modules, `__init__`, `__main__` and migrations aside."""
    return [
        path
        for path in python_files()
        if not str(path).startswith((*NOT_PRODUCT, MIGRATIONS)) and not path.stem.startswith("__")
    ]


def lines_of(path: Path) -> int:
    """Return the number of lines of a file."""
    return len((ROOT / path).read_text().splitlines())


def function_lengths(source: str) -> list[int]:
    """Return the lines of each function and method, decorators aside."""
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def classes_of(paths: Sequence[Path]) -> Mapping[str, list[Path]]:
    """Return the modules in which each public class name is defined at the top."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in paths:
        for name in public_classes((ROOT / path).read_text()):
            found[name].append(path)
    return found


def public_classes(source: str) -> Iterator[str]:
    """Yield the names of the public classes at the top of a module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def has_logic(source: str) -> bool:
    """Return whether a function of the module decides or computes: a branch, a loop, a condition,
    arithmetic, an error. Functions without any of them only name, declare or pass on values."""
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    bodies = (statement for function in functions for statement in function.body)
    return any(isinstance(node, DECISIONS) for body in bodies for node in ast.walk(body))


def expected_test(module: Path) -> Path:
    """Return the path of the test module that belongs to a module."""
    return Path("tests") / module.parent / f"test_{module.name}"
