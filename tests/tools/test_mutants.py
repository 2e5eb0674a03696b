"""Mutations of a module, and a run that finds those no test notices."""

import os
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code

from tools.mutants.equivalent import FILE
from tools.mutants.operators import OWN
from tools.mutants.report import Count, table
from tools.mutants.session import described, mutations_of, sample
from tools.mutants.targets import NEIGHBOURS, targets
from tools.structure import ROOT


def mutated(operator: str, source: str) -> list[str]:
    """Return the source after each mutation of one of our operators."""
    found: list[str] = []
    while (code := mutate_code(source, OWN[operator](), len(found))) is not None:
        found.append(code)
    return found


def in_function(*lines: str, name: str = "f") -> str:
    return f"def {name}(self):\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    "line",
    ["return 1", "return", "a.b()", "await a.b()", "self.a = 1", "a[0] = 1", "a += 1", "raise A"],
)
def test_a_statement_is_removed(line: str) -> None:
    """Replaced with `pass`, so that the function stays one."""
    assert [in_function("x = 1", "pass")] == mutated("RemoveStatement", in_function("x = 1", line))


@pytest.mark.parametrize(
    "source",
    [
        in_function('"""Text."""', "x = 1", "x: int = 1"),
        in_function("log.info(1)", "self._log.info(1)"),
        in_function("self.a = 1", "self.b: int = 1", name="__init__"),
        "a.b()\nclass A:\n    x.y = 1\n",
    ],
)
def test_a_statement_stays_if_any_test_or_none_would_notice(source: str) -> None:
    """Names that must exist, documentation, log messages, and code outside of functions."""
    assert [] == mutated("RemoveStatement", source)


def test_numbers_memberships_and_extremes_are_replaced() -> None:
    """One place at a time."""
    assert ["a(1, 10)", "a(0, 5)"] == mutated("ReplaceNumber", "a(0, 10)")
    assert ["1.5"] == mutated("ReplaceNumber", "0.5")
    assert ["a not in b", "c  in d"] == [
        mutated("NegateMembership", "a in b")[0], mutated("NegateMembership", "c  not in d")[0],
    ]  # fmt: skip
    assert ["max(a, max(b))", "min(a, min(b))"] == mutated("SwapMinMax", "min(a, max(b))")
    assert [] == mutated("SwapMinMax", "x = min\ny.max = 3")


SOURCE = textwrap.dedent('''
    """A module."""
    @dataclass(frozen=True)
    class A:
        def f(self, a, *, b=1):
            """Return whether it is."""
            if a < b and a in self.known:
                return True
            return False
    ''')


def test_declarations_are_not_mutated() -> None:
    """Decorators, and the star before keyword arguments."""
    found = [described(item, SOURCE) for item in mutations_of("m.py", SOURCE)]
    assert {"f"} == {mutation.function for mutation in found}
    assert not any("frozen" in mutation.was for mutation in found)
    assert not any("+" in mutation.becomes for mutation in found)
    assert ("if a < b and a in self.known:", "if a < b or a in self.known:") in {
        (mutation.was, mutation.becomes) for mutation in found
    }


def test_a_sample_is_a_part_of_every_larger_one() -> None:
    """Of the same seed; of another seed it is another one."""
    items = mutations_of("m.py", SOURCE)
    small, large = sample(items, "m.py", 1, 3), sample(items, "m.py", 1, 6)
    assert (small, 3, 6) == (large[:3], len(small), len(large))
    assert sample(items, "m.py", 2, 6) != large
    assert len(items) == len(sample(items, "m.py", 1, 10_000))


def test_the_share_leaves_out_equivalent_mutations() -> None:
    """The total is that of all mutations, not of all modules."""
    text = table([Count("a.py", 9, 3, 1, 1), Count("b.py", 9, 16, 0, 0)])
    assert "| a.py | 9 | 3 | 1 | 1 | 75% |" in text
    assert text.endswith("| all | 18 | 19 | 1 | 1 | 95% |")


def test_the_targets_and_their_tests_exist() -> None:
    """The test module of its name, and its neighbours."""
    known = {target.module: target for target in targets()}
    assert NEIGHBOURS.keys() <= known.keys()
    assert {"pipeline/policy/decide.py", "agents/faust_runner/outbox.py"} <= known.keys()
    for target in known.values():
        for path in (target.module, *target.tests):
            assert (ROOT / path).exists(), path


def test_equivalent_mutations_exist_and_have_a_reason() -> None:
    """An entry for code that has changed since must be looked at again."""
    for entry in tomllib.loads(FILE.read_text())["mutation"]:
        source = (ROOT / entry["module"]).read_text()
        lines = [" ".join(line.split()) for line in source.splitlines()]
        there = [
            item
            for item in mutations_of(entry["module"], source)
            if lines[item.mutations[0].start_pos[0] - 1] in entry["was"]
        ]
        key = entry["module"], entry["function"], entry["was"], entry["becomes"]
        assert key in {described(item, source).key for item in there}, entry
        assert len(entry["reason"]) > 20


MODULE = "def larger(a, b):\n    if a > b:\n        return a\n    return b\n"
TESTS = """from pure.larger import larger

def test_it():
    assert 2 == larger(2, 1) == larger(1, 2)
"""
PROFILE = "from hypothesis import settings\nsettings.register_profile('mutants')\n"
RUN = """
import sys
from pathlib import Path
from tools.mutants.__main__ import main
from tools.mutants.targets import Target
sys.exit(main(sys.argv[1:], Path.cwd(), [Target("pure/larger.py")]))
"""


def test_a_run_finds_what_no_test_notices_and_continues_later(tmp_path: Path) -> None:
    """`a > b` and `a >= b` are the same for these tests; a second run, after a test was added,
    tries only that one again. The tree itself never changes."""
    root = tmp_path / "root"
    for name, text in {"pure/larger.py": MODULE, "tests/pure/test_larger.py": TESTS}.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text)
    (root / "conftest.py").write_text(PROFILE)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", RUN, "--directory", str(tmp_path / "kept"), *arguments]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=root, env=env, capture_output=True, text=True, check=False
        )

    found = run()
    assert "pure/larger.py:2 larger\n  - if a > b:\n  + if a >= b:\n" in found.stdout, found.stderr
    assert "| pure/larger.py | 5 | 4 | 0 | 1 | 80% |" in found.stdout
    assert 1 == found.returncode
    assert MODULE == (root / "pure/larger.py").read_text()

    typed = "\n\ndef test_type():\n    assert float is type(larger(1, 1.0))\n"
    (root / "tests/pure/test_larger.py").write_text(TESTS + typed)
    assert 1 == run("--report").returncode
    again = run()
    assert "| pure/larger.py | 5 | 5 | 0 | 0 | 100% |" in again.stdout, again.stdout
    assert 0 == again.returncode
