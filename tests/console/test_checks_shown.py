"""The page, the endpoint and the metrics about the last run of the doctor."""

import asyncio
from math import inf

import httpx
import pytest
from prometheus_client import REGISTRY

from console.checks_shown import export, measure_checks
from pipeline.check_results import STALE_MS, CheckResult, CheckRun, CheckStatus
from pipeline.store.check_runs import CheckRuns
from tests.console.conftest import Console
from tests.pipeline.store.contacts import NOON

RESULTS = (
    CheckResult("account", CheckStatus.OK, "Twilio accepts the credentials", ""),
    CheckResult("replication", CheckStatus.WARNING, "1 replicas", "use three brokers"),
    CheckResult("sink", CheckStatus.FAILURE, "no <sink>", "run `flexcapture twilio setup`"),
)


def metric(name: str, **labels: str) -> float | None:
    """Return a value of the console's metrics."""
    return REGISTRY.get_sample_value(f"flexcapture_checks{name}", labels)


async def test_without_a_run_the_page_says_so(client: httpx.AsyncClient) -> None:
    """And how to make one."""
    page = (await client.get("/checks")).text
    assert "were never run" in page
    assert "flexcapture twilio doctor" in page
    expected = {"ran_at": None, "stale": True, "checks": []}
    assert expected == (await client.get("/api/checks")).json()


async def test_each_check_is_shown_with_its_remedy(
    client: httpx.AsyncClient, console: Console
) -> None:
    """With the time of the run, and as text, for any content."""
    CheckRuns(console.engine).save(CheckRun(NOON - 60_000, RESULTS))
    page = (await client.get("/checks")).text
    for shown in (
        "check-ok", "check-warning", "check-failure", "account", "1 replicas",
        "use three brokers", "no &lt;sink&gt;", "1 ok, 1 with a warning, 1 failed",
    ):  # fmt: skip
        assert shown in page
    assert "hours old" not in page
    answer = (await client.get("/api/checks")).json()
    assert answer["stale"] is False
    assert answer["ran_at"].endswith("Z")
    assert {
        "name": "sink", "status": "failure", "detail": "no <sink>",
        "remedy": "run `flexcapture twilio setup`",
    } == answer["checks"][2]  # fmt: skip


async def test_a_run_that_is_older_than_a_day_is_marked(
    client: httpx.AsyncClient, console: Console
) -> None:
    """It may not be the present state."""
    CheckRuns(console.engine).save(CheckRun(NOON - STALE_MS - 3_600_000, RESULTS))
    assert "The last run is 25 hours old" in (await client.get("/checks")).text
    assert (await client.get("/api/checks")).json()["stale"] is True


@pytest.mark.parametrize(("path", "status"), [("/checks", 303), ("/api/checks", 401)])
async def test_strangers_see_no_checks(
    visitor: httpx.AsyncClient, console: Console, path: str, status: int
) -> None:
    """They name hosts and faults."""
    CheckRuns(console.engine).save(CheckRun(NOON, RESULTS))
    answer = await visitor.get(path)
    assert status == answer.status_code
    assert "sink" not in answer.text


def test_the_metrics_have_age_and_numbers() -> None:
    """The age is infinite without a run, so that an alarm on it fires."""
    export(CheckRun(NOON - 90_000, RESULTS), NOON)
    assert (90.0, 1.0, 1.0) == (
        metric("_age_seconds"), metric("", status="failure"), metric("", status="warning"),
    )  # fmt: skip
    export(None, NOON)
    assert (inf, 0.0) == (metric("_age_seconds"), metric("", status="failure"))


async def test_the_metrics_are_kept_up_to_date(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the console runs."""
    monkeypatch.setattr("console.checks_shown.MEASURE_EVERY_S", 0.02)
    runs, stop = CheckRuns(console.engine), asyncio.Event()
    work = asyncio.create_task(measure_checks(runs, lambda: NOON, stop))
    runs.save(CheckRun(NOON - 5_000, RESULTS))
    for _ in range(3_000):
        if metric("_age_seconds") == 5.0:
            break
        await asyncio.sleep(0.02)
    assert 5.0 == metric("_age_seconds")
    stop.set()
    await work
