"""The page of the metrics, and the place of their declarations."""

import ast
import subprocess

from tools.metrics_doc import KINDS, PAGE, ROOT, metric_modules, metrics_of, page

NAMES = {kind.__name__ for kind in KINDS} | {"Info", "Summary"}


def test_the_page_is_up_to_date() -> None:
    """Else run `python -m tools.metrics_doc`."""
    assert page() == PAGE.read_text()


def test_each_metric_has_its_own_name_and_a_description() -> None:
    """All of them begin with `flexcapture_`."""
    found = [metric for module in metric_modules() for metric in metrics_of(module)]
    names = [metric.name for metric in found]
    assert len(names) > 80
    assert len(names) == len(set(names))
    assert all(name.startswith("flexcapture_") for name in names)
    assert all(metric.description for metric in found)


def test_metrics_are_declared_in_metrics_modules_only() -> None:
    """So that the page names all of them."""
    declared = {str(path) for path in metric_modules()}
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    elsewhere = [
        f"{name}:{line}"
        for name in listed.stdout.split()
        if not name.startswith(("tests/", "tools/", "benchmarks/")) and name not in declared
        for line in _declarations((ROOT / name).read_text())
    ]
    assert [] == elsewhere


def _declarations(source: str) -> list[int]:
    """Return the lines that make a metric of prometheus_client."""
    tree = ast.parse(source)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client"
        for alias in node.names
        if alias.name in NAMES
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in imported
    ]


def test_a_declaration_elsewhere_is_found() -> None:
    """The check can fail."""
    source = 'from prometheus_client import Counter as C\n\nX = C("flexcapture_x", "X")\n'
    assert [3] == _declarations(source)
