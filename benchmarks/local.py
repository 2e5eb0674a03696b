"""The environment of a benchmark: its own broker, roles of the product, and child processes."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.machine import TICKS_A_SECOND, cpu_of, only_child
from infra.local.kafka import LocalKafka, running
from infra.local.kinesis import LocalKinesis
from infra.ports import chosen
from infra.supervisor.processes import signal_all, tied
from pipeline.runtime.kafka import wait_for_kafka
from pipeline.runtime.settings import Role, Settings, load
from simulator.pipeline_process import environment

POLL_S = 0.1
WORK_POLL_S = 0.25
"""While a process's CPU time is measured, it is polled less often: its answers cost CPU, too."""
READY_S = 60.0
WORK_S = 120.0
STOP_S = 10.0
_BEGUN = 0.05


class BenchmarkFailed(RuntimeError):
    """A benchmark could not run. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class Local:
    """A broker, and a directory for all files of the benchmarks. `broker`: its process id."""

    directory: Path
    bootstrap_servers: str
    broker: int = 0

    def plain(self, prefix: str, **more: object) -> dict[str, str]:
        """Return settings as variables without FLEXCAPTURE_. `prefix` separates benchmarks."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "TOPIC_PREFIX": prefix,
            "LOG_LEVEL": "WARNING",
            **{name.upper(): str(value) for name, value in more.items()},
        }

    def settings(self, prefix: str) -> Settings:
        """Return settings for work in this process."""
        return load(
            None,
            kafka_bootstrap_servers=self.bootstrap_servers,
            kafka_security_protocol="PLAINTEXT",
            topic_prefix=prefix,
        )


@contextmanager
def directory() -> Iterator[Local]:
    """Yield a temporary directory without a broker."""
    with tempfile.TemporaryDirectory(prefix="flexcapture-bench-") as path:
        yield Local(Path(path), "")


@contextmanager
def local() -> Iterator[Local]:
    """Start a broker in a temporary directory. Both are removed after the block."""
    with directory() as empty:
        ports = chosen(["kafka", "controller"], {}, [])
        kafka = LocalKafka(empty.directory / "kafka", ports["kafka"], ports["controller"])
        kafka.directory.mkdir()
        with running(kafka, empty.directory / "kafka.log"):
            here = Local(empty.directory, kafka.bootstrap_servers, only_child())
            logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it does not answer at first
            asyncio.run(wait_for_kafka(here.settings(""), READY_S))
            yield here


class RunningPipeline:
    """A running process. `http`: the address of its /healthz and /metrics, if it has one."""

    def __init__(self, process: "subprocess.Popen[str]", log_file: Path, http: str | None) -> None:
        self._process = process
        self._log_file = log_file
        self._http = http

    def cpu(self) -> float:
        """Return the CPU seconds that the process (all its threads) has used, to 10 ms."""
        return cpu_of(self._process.pid)

    def most_memory(self) -> float:
        """Return the process's peak resident memory, kB."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

    def counted(self, name: str, **labels: str) -> float:
        """Return the sum of a counter over all its labels that agree with `labels`."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self._get("/metrics"))
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wait_ready(self) -> None:
        """Return once the process is healthy."""
        self.wait(self._is_ready, READY_S, "be ready")

    def wait(
        self, done: Callable[[], bool], seconds: float, what: str, every: float = POLL_S
    ) -> None:
        """Poll `done` until it is true. Raise `BenchmarkFailed` if the process ends first, or after
        `seconds`."""
        deadline = time.monotonic() + seconds
        while not _without_os_error(done):
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._log_file.read_text(errors="replace")[-2_000:]
                raise BenchmarkFailed(f"{self._log_file.name} did not {what}:\n{tail}")
            time.sleep(every)

    def per_cpu_second(self, count: Callable[[], float], total: float) -> float:
        """Return how many of `total` it does per second of its CPU time, without the beginning.
        Wait until all are done."""
        seen: list[tuple[float, float]] = []

        def done() -> bool:
            seen.append((count(), self.cpu()))
            return seen[-1][0] >= total

        self.wait(done, WORK_S, f"do {total:g}", WORK_POLL_S)
        begun = [n for n, (number, _) in enumerate(seen[:-1]) if number >= _BEGUN * total]
        first, last = seen[begun[0] if begun else 0], seen[-1]
        return (last[0] - first[0]) / max(last[1] - first[1], 1 / TICKS_A_SECOND)

    def line(self) -> Any:
        """Wait for the next line that the process prints, and return its JSON value."""
        assert self._process.stdout is not None
        patience = threading.Timer(WORK_S, self._process.kill)
        patience.start()
        text = self._process.stdout.readline()
        patience.cancel()
        if not text:
            tail = self._log_file.read_text(errors="replace")[-2_000:]
            raise BenchmarkFailed(f"{self._log_file.name} said nothing:\n{tail}")
        try:
            return json.loads(text)
        except ValueError as error:
            raise BenchmarkFailed(f"{self._log_file.name} said {text!r}") from error

    def send_signal(self, signum: signal.Signals) -> None:
        """Send a signal. Do nothing if the process has ended."""
        self._process.send_signal(signum)

    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self._process.poll() is not None

    def _is_ready(self) -> bool:
        self._get("/healthz")  # raises an OSError unless the process is healthy
        return True

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self._http}{path}", timeout=5) as answer:
            return str(answer.read().decode())


def _without_os_error(done: Callable[[], bool]) -> bool:
    try:
        return done()
    except OSError:  # its server does not answer yet, or any more
        return False


@contextmanager
def role(
    here: Local, name: Role, settings: Mapping[str, str], more: Mapping[str, str] | None = None
) -> Iterator[RunningPipeline]:
    """Run a role of the product in its own process, as `flexcapture ROLE` does. `more`: variables
    that are not our settings."""
    http = f"127.0.0.1:{chosen(['http'], {}, [])['http']}"
    command = [sys.executable, "-m", "cli.main", name.value]
    own = environment({**settings, "HTTP_LISTEN": http}) | dict(more or {})
    with _process(here, name.value, command, own, http) as started:
        yield started


@contextmanager
def emulator(here: Local) -> Iterator[LocalKinesis]:
    """Run the Kinesis emulator of `flexcapture up`, with the stream in it."""
    kinesis = LocalKinesis(chosen(["kinesis"], {}, [])["kinesis"], "us-east-1", "flex-events")
    with _process(here, "kinesis", kinesis.command(), environment({}), None):
        asyncio.run(kinesis.make_stream())
        yield kinesis


@contextmanager
def child(
    here: Local, module: str, arguments: object, settings: Mapping[str, str]
) -> Iterator[RunningPipeline]:
    """Run `benchmarks.MODULE` in its own process, with its arguments as one JSON text."""
    command = [sys.executable, "-m", f"benchmarks.{module}", json.dumps(arguments)]
    with _process(here, module, command, environment(settings), None) as started:
        yield started


@contextmanager
def _process(
    here: Local, name: str, command: Sequence[str], variables: Mapping[str, str], http: str | None
) -> Iterator[RunningPipeline]:
    log_file = here.directory / f"{name}.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            tied(command),
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield RunningPipeline(process, log_file, http)
        process.terminate()
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        print(f"{name} did not stop; it is killed", file=sys.stderr)
    finally:
        signal_all(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
