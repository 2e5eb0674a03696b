"""What every test may use: a real Kafka for the whole run, and settings that point at it."""

import asyncio
import contextlib
import logging
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from testcontainers.kafka import KafkaContainer
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from pipeline.runtime.kafka import wait_for_kafka
from pipeline.runtime.settings import Settings
from tests import processor_time, shared_kafka
from tests.memory_files import memory_directory

SettingsFor = Callable[..., Settings]

_KAFKA_SECONDS = 90

# On a machine that others use too, an example may take any time: none is too slow. 60 examples take
# 60 % of the time of Hypothesis' usual 100.
hypothesis_settings.register_profile("patient", max_examples=60, deadline=None)
hypothesis_settings.load_profile("patient")
# `pytest --hypothesis-profile=long --timeout=0`: for a search by night
hypothesis_settings.register_profile("long", max_examples=3_000, deadline=None)
# Each mutation runs the tests anew: few examples, always the same, and none is made smaller.
hypothesis_settings.register_profile(
    "mutants",
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture(scope="session")
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Bootstrap servers of a broker of this run's own, empty when the run begins. All processes of
    the run use the same one.

    FLEXCAPTURE_TEST_KAFKA=testcontainers takes one from Docker in place of the local one, for each
    process.
    """
    if os.environ.get("FLEXCAPTURE_TEST_KAFKA") == "testcontainers":
        with KafkaContainer("apache/kafka:4.3.1").with_kraft() as container:
            yield container.get_bootstrap_server()
        return
    if shared := shared_kafka.given(request.config):
        yield _answering(*shared)
        return
    with shared_kafka.local_kafka(tmp_path_factory.mktemp("kafka")) as own:
        yield _answering(*own)


def _answering(servers: str, log_file: str) -> str:
    """Return the servers once they answer."""
    try:
        asyncio.run(wait_for_kafka(Settings(kafka_bootstrap_servers=servers), _KAFKA_SECONDS))
    except TimeoutError:
        pytest.fail(f"Kafka does not answer:\n{Path(log_file).read_text()[-4000:]}")
    return servers


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix that makes topics, groups and transactional ids this test's own. Its topics are
    deleted afterwards: the broker of a run holds files open for each partition."""
    own = f"t{uuid.uuid4().hex[:10]}."
    yield own
    if "kafka" in request.fixturenames:
        asyncio.run(_delete_topics(request.getfixturevalue("kafka"), own))


async def _delete_topics(servers: str, prefix: str) -> None:
    with contextlib.suppress(KafkaError, OSError):  # of a broker that a test has stopped
        admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=10_000)
        try:
            await admin.start()
            topics = [name for name in await admin.list_topics() if name.startswith(prefix)]
            if topics:
                await admin.delete_topics(topics, timeout_ms=10_000)
        finally:
            await admin.close()


@pytest.fixture
def settings_for(kafka: str, tmp_path: Path) -> SettingsFor:
    """`settings_for(prefix, **overrides)`: settings that point at this run's broker and keep
    everything else in the test's own directory; the environment's own are not looked at."""

    def make(prefix: str, **overrides: Any) -> Settings:
        own: dict[str, Any] = {
            "kafka_bootstrap_servers": kafka,
            "topic_prefix": prefix,
            "state_dir": tmp_path / "state",
            "database_url": f"sqlite:///{tmp_path / 'flexcapture.db'}",
            "recordings_url": (tmp_path / "recordings").as_uri(),
        }
        return Settings(**own | overrides)

    return make


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_ours() -> Iterator[None]:
    """Tests see none of the developer's own settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("FLEXCAPTURE_", "AWS_")) and name != "FLEXCAPTURE_TEST_KAFKA":
                patch.delenv(name)
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        yield


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Commands configure the logs of their process: tests must not inherit that."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


PIPELINE_WORKERS = ("gw0", "gw1")
"""The workers that run the whole pipelines."""
LESS = 10
"""How much nicer the other workers, and the processes that they start, are."""


def pytest_configure(config: pytest.Config) -> None:
    """Put the files of tests into memory if there is room and TMPDIR is not set. Lower
    the priority of the workers that run no whole pipelines: pipelines have deadlines."""
    if times := os.environ.get(processor_time.VARIABLE):
        config.pluginmanager.register(processor_time.ProcessorTime(Path(times)))
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None and worker not in PIPELINE_WORKERS:
        os.nice(LESS)
    has_workers = worker is None and config.getoption("numprocesses", None)
    if has_workers and "FLEXCAPTURE_TEST_KAFKA" not in os.environ:
        config.pluginmanager.register(shared_kafka.SharedKafka())
    memory = memory_directory()
    if memory is not None and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = str(memory)  # for processes that tests start, too
        tempfile.tempdir = None  # it was looked up before


FAULTS, PIPELINES, CLUSTERS = "pipelines with faults", "pipelines", "clusters"
"""The groups of many modules."""
GROUPS_IN_SYSTEM = {
    **dict.fromkeys(("chaos", "chaos_audio", "chaos_recover"), FAULTS),
    **dict.fromkeys(("browser", "clocks", "e2e"), PIPELINES),
}
"""The directories in `system` with tests that run whole pipelines. The others run a few roles."""
CLUSTER_FILES = ("test_up.py", "test_acls.py", "test_start.py", "test_broker_outages.py")
"""Modules in `integration` that start many processes, or brokers of their own."""
LONG_FILES = (
    *("test_derive.py", "test_streams.py", "test_registries.py", "test_recorder_storage.py"),
    *("test_adapter_processes.py", "test_schema_ids.py", "test_bridge.py"),
)
"""The modules in `integration` that take longest: more than a minute each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests. Whole pipelines have deadlines, so unit tests run beside them, and yield to
    them. Then come the tests that mostly wait, the longest modules first, so that no worker is left
    alone with one."""
    items.sort(key=lambda item: _rank(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Return the scheduler that hands out groups of tests."""
    return _Groups(config, log)


class _Groups(LoadScopeScheduling):
    """A worker runs one group after the other. A group is a module, except that all whole
    pipelines are two groups: with more than two at once they would miss their deadlines. The slow
    modules of `integration` are another group, which mostly waits."""

    @property
    def nodes(self) -> list[WorkerController]:
        """All workers in the order of their names: the first ones get the first groups."""
        return sorted(super().nodes, key=lambda node: str(node.gateway.id))

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def _group(nodeid: str) -> str:
    path = Path(nodeid.split("::", 1)[0])
    if path.parts[1] == "system" and path.parts[2] in GROUPS_IN_SYSTEM:
        return GROUPS_IN_SYSTEM[path.parts[2]]
    if path.parts[1] == "integration" and path.name in CLUSTER_FILES:
        return CLUSTERS
    return str(path)


def _rank(nodeid: str) -> int:
    group = _group(nodeid)
    if not group.startswith("tests/"):
        return {FAULTS: 0, PIPELINES: 1, CLUSTERS: 3}[group]
    path = Path(group)
    if path.parts[1] == "system":
        return 4
    if path.parts[1] != "integration":
        return 2
    is_long = path.name in LONG_FILES
    return 5 + (LONG_FILES.index(path.name) if is_long else len(LONG_FILES))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing is skipped because a part is missing: a skip fails the run there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "1" and reporter and reporter.stats.get("skipped"):
        reporter.write_line("skipped tests fail the run in CI", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
