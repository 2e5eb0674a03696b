"""The code's structure: short modules and functions, one class for a name, a test for a module."""

from pathlib import Path

from tools.structure import (
    ROOT,
    classes_of,
    expected_test,
    function_lengths,
    has_logic,
    lines_of,
    product_modules,
    public_classes,
    python_files,
)

MAX_LINES = 300
MIN_LINES = 20
MAX_FUNCTION = 30
SHARE = 0.95
DECLARATIONS = frozenset({"metrics.py"})
"""Found by their names, however few lines they have."""


def test_no_module_is_longer_than_300_lines() -> None:
    """A longer module holds several ideas: split it."""
    lengths = {str(path): lines_of(path) for path in python_files()}
    assert [] == sorted(name for name, n in lengths.items() if n > MAX_LINES)


def test_no_module_is_shorter_than_20_lines() -> None:
    """A shorter module, except for `__init__` and `__main__`, should be part of another one."""
    modules = [path for path in product_modules() if path.name not in DECLARATIONS]
    assert [] == sorted(str(m) for m in modules if lines_of(m) < MIN_LINES)


def test_functions_are_short() -> None:
    """95 of 100 have at most 30 lines."""
    lengths = [n for p in python_files() for n in function_lengths((ROOT / p).read_text())]
    assert sum(n <= MAX_FUNCTION for n in lengths) >= SHARE * len(lengths)


def test_a_public_class_name_stands_for_one_class() -> None:
    """So that a name can be found, and means one thing."""
    twice = {name: paths for name, paths in classes_of(product_modules()).items() if paths[1:]}
    assert {} == twice


def test_each_module_with_logic_has_a_test_module_of_its_name() -> None:
    """`tests/a/b/test_c.py` for `a/b/c.py`."""
    modules = [path for path in product_modules() if has_logic((ROOT / path).read_text())]
    lacking = [str(path) for path in modules if not (ROOT / expected_test(path)).exists()]
    assert [] == lacking


def test_the_facts_are_read_from_the_syntax() -> None:
    """The checks above can fail."""
    source = "class A:\n    def f(self):\n        pass\n\n\nclass _B:\n    pass\n\n\nX = 1\n"
    assert ["A"] == list(public_classes(source))
    assert [2] == function_lengths(source)
    assert not has_logic(source)
    assert not has_logic("X = 1 + 2 if A else B\n")
    for logic in ("return a + 1", "return [b for b in a]", "raise KeyError", "return a or 1"):
        assert has_logic(f"class A:\n    def f(self, a):\n        {logic}\n")
    assert Path("tests/a/b/test_c.py") == expected_test(Path("a/b/c.py"))
