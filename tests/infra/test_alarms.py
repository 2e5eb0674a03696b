"""The alarms for Prometheus are well-formed and speak of metrics that there are."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "infra/prometheus/alarms.yml").read_text())["groups"]
    for rule in group["rules"]
]
BUILT_IN = {"up"}


def metrics() -> set[str]:
    """What the code counts, as Prometheus sees it."""
    code = "".join(
        path.read_text()
        for package in ("pipeline", "agents", "gateway", "console")
        for path in (ROOT / package).rglob("*.py")
    )
    made = re.findall(r"\b(Counter|Gauge|Histogram|Enum)\(\s*\"(flexcapture_\w+)\"", code)
    return {
        name.removesuffix("_total") + ("_total" if kind == "Counter" else "") for kind, name in made
    }


def labels_of(expr: str) -> set[str]:
    """The labels by which an expression's value is told apart."""
    return {
        label.strip() for each in re.findall(r"by \(([^)]*)\)", expr) for label in each.split(",")
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_is_one_that_can_ring(rule: dict[str, Any]) -> None:
    """It has the fields that Prometheus knows and no other, balanced brackets, durations, metrics
    of ours, and names labels only that its expression keeps."""
    assert {"alert", "expr", "labels", "annotations"} <= rule.keys() | {"for"}
    assert set() == rule.keys() - {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in ("critical", "warning")
    expr = rule["expr"]
    assert [expr.count(x) for x in "([{"] == [expr.count(x) for x in ")]}"]
    outside = re.sub(r"\{[^}]*\}", "", expr)
    assert set() == set(re.findall(r"flexcapture_\w+", outside)) - metrics()
    assert re.search(r" (==|>|<) [\d.]+$", expr)
    told = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert told <= labels_of(expr) or expr.split("{")[0] in BUILT_IN
    assert rule["annotations"].keys() == {"summary", "action"}


def test_each_alarm_is_explained() -> None:
    """The page for operators names every alarm, once each."""
    page = (ROOT / "docs/operations.md").read_text()
    names = [str(rule["alert"]) for rule in RULES]
    assert len(names) == len(set(names))
    assert [] == [name for name in names if f"`{name.removeprefix('Flexcapture')}`" not in page]
