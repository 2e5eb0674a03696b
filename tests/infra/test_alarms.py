"""The alarms for Prometheus are well-formed, use metrics that exist, and ring when they must."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "infra/deploy/prometheus/alarms.yml").read_text())["groups"]
    for rule in group["rules"]
]
TESTS: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "infra/deploy/prometheus/alarms_test.yml").read_text()
)["tests"]
BUILT_IN = {"up"}
PROMTOOL = shutil.which("promtool", path=f"{os.environ['PATH']}:{ROOT}/.local/promtool/usr/bin")
with_promtool = pytest.mark.skipif(
    PROMTOOL is None,
    reason="promtool is missing: run `make promtool`, or install Debian's package `prometheus`",
)


def metrics() -> set[str]:
    """What the code counts, as Prometheus sees it."""
    code = "".join(
        path.read_text()
        for package in ("pipeline", "bridge", "agents", "gateway", "console")
        for path in (ROOT / package).rglob("*.py")
    )
    made = re.findall(r"\b(Counter|Gauge|Histogram|Enum)\(\s*\"(flexcapture_\w+)\"", code)
    return {
        name.removesuffix("_total") + ("_total" if kind == "Counter" else "") for kind, name in made
    }


def labels_of(expr: str) -> set[str]:
    """Return the labels that an expression groups by."""
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
    used_labels = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert used_labels <= labels_of(expr) or expr.split("{")[0] in BUILT_IN
    assert rule["annotations"].keys() == {"summary", "action"}


def test_each_alarm_is_explained() -> None:
    """The page for operators names every alarm, once each."""
    page = (ROOT / "docs/operations.md").read_text()
    names = [str(rule["alert"]) for rule in RULES]
    assert len(names) == len(set(names))
    assert [] == [name for name in names if f"`{name.removeprefix('Flexcapture')}`" not in page]


@with_promtool
@pytest.mark.parametrize(
    "work", [("check", "rules", "alarms.yml"), ("test", "rules", "alarms_test.yml")]
)
def test_prometheus_agrees(work: tuple[str, ...]) -> None:
    """promtool accepts the rules, and alarms ring exactly when their tests say so."""
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *work],
        cwd=ROOT / "infra/deploy/prometheus",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr


def test_each_alarm_is_tested_both_ways() -> None:
    """promtool's tests have series of the alarm's metrics for which it rings, and others, or an
    earlier moment, for which it does not."""
    for rule in RULES:
        needed = set(re.findall(r"(?:flexcapture_\w+|\bup\b)(?=\{|\[|\)|\s)", rule["expr"]))
        looks = [
            str(look["exp_samples"])
            for test in TESTS
            if needed <= {series["series"].split("{")[0] for series in test["input_series"]}
            for look in test["promql_expr_test"]
        ]
        rings = [f'"{rule["alert"]}"' in look for look in looks]
        assert {True, False} == set(rings), rule["alert"]
