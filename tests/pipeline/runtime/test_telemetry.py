"""The logs, the health and the metrics of a process."""

import json
import logging
from collections.abc import Iterator

import httpx
import pytest
import structlog
from starlette.applications import Starlette

from pipeline.runtime.metrics import INVALID_SIDS
from pipeline.runtime.telemetry import (
    STARTING,
    Health,
    count_invalid_sids,
    health_routes,
    serving_health,
    set_up_logs,
)
from pipeline.twilio.sids import SidKind


async def get(health: Health, path: str) -> httpx.Response:
    """Return the answer of a process with this health."""
    transport = httpx.ASGITransport(Starlette(routes=health_routes(health)))
    async with httpx.AsyncClient(transport=transport, base_url="http://role.test") as client:
        return await client.get(path)


async def test_a_healthy_process_answers_ok() -> None:
    """Warnings are shown, and the status stays 200."""
    health = Health()
    health.warn("topics", "calls: retention is 1 day")
    answer = await get(health, "/healthz")
    assert (200, "ok\nwarning: topics: calls: retention is 1 day\n") == (
        answer.status_code,
        answer.text,
    )
    health.clear_warning("topics")
    assert "ok\n" == (await get(health, "/healthz")).text


async def test_each_reason_is_a_line_of_the_answer_503() -> None:
    """In the order of their names, until the last one is removed."""
    health = Health(kafka="no answer")
    health.bad("database", "cannot be opened")
    health.bad("kafka", "no broker answers")
    answer = await get(health, "/healthz")
    assert 503 == answer.status_code
    assert "database: cannot be opened\nkafka: no broker answers\n" == answer.text
    health.good("database")
    assert 503 == (await get(health, "/healthz")).status_code
    health.good("kafka")
    assert 200 == (await get(health, "/healthz")).status_code


def test_a_process_was_ready_once_it_has_started() -> None:
    """Later troubles do not change that, and other reasons that end are no start."""
    health = Health(**{STARTING: "reading", "kafka": "no answer"})
    assert not health.was_ready
    health.good("kafka")
    assert not health.was_ready
    health.good(STARTING)
    health.bad("kafka", "no answer")
    assert health.was_ready
    assert Health().was_ready


def test_reasons_are_given_as_copies() -> None:
    """A caller that changes them changes no health."""
    health = Health(kafka="no answer")
    health.reasons.clear()
    health.warnings["x"] = "y"
    assert ({"kafka": "no answer"}, {}) == (health.reasons, health.warnings)


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    """Invalid SIDs are counted by their kind."""
    before = _invalid(SidKind.CALL)
    count_invalid_sids([SidKind.CALL, SidKind.TASK, SidKind.CALL])
    assert before + 2 == _invalid(SidKind.CALL)
    answer = await get(Health(), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert f'flexcapture_invalid_sids_total{{kind="call"}} {before + 2}' in answer.text


def _invalid(kind: SidKind) -> float:
    return INVALID_SIDS.labels(kind.value)._value.get()  # type: ignore[no-any-return]


async def test_a_role_without_an_address_serves_nothing() -> None:
    """Its block runs nevertheless."""
    async with serving_health(None, Health()):
        pass


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    """The handlers and levels of other tests."""
    names = ("", "aiokafka", "botocore", "urllib3", "uvicorn.access", "twilio", "websockets")
    loggers = [logging.getLogger(name) for name in names]
    handlers, levels = loggers[0].handlers[:], [each.level for each in loggers]
    yield
    loggers[0].handlers[:] = handlers
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)
    structlog.contextvars.clear_contextvars()


@pytest.mark.usefixtures("_logging_as_before")
def test_a_log_line_is_a_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """For the product's logs and for those of libraries alike: with role, instance, level, logger
    and time. Libraries that log much are limited to warnings."""
    set_up_logs("tracker", "tracker-1", "INFO")
    structlog.get_logger("agents.x").info("call created", task_sid="WT1")
    logging.getLogger("some.library").info("connected to %s", "x", extra={"node": 3})
    logging.getLogger("aiokafka").info("joined")
    own, library = map(json.loads, capsys.readouterr().err.splitlines())
    assert ("call created", "WT1", "info", "agents.x") == (
        own["event"], own["task_sid"], own["level"], own["logger"],
    )  # fmt: skip
    assert ("connected to x", 3, "some.library") == (
        library["event"], library["node"], library["logger"],
    )  # fmt: skip
    for line in (own, library):
        assert ("tracker", "tracker-1") == (line["role"], line["instance"])
        assert line["timestamp"].endswith("Z")


@pytest.mark.usefixtures("_logging_as_before")
def test_libraries_never_log_more_than_the_product(capsys: pytest.CaptureFixture[str]) -> None:
    """With the level ERROR, their warnings are left out as well."""
    set_up_logs("tracker", "tracker-1", "ERROR")
    logging.getLogger("aiokafka").warning("a broker is away")
    assert "" == capsys.readouterr().err
