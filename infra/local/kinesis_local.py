"""kinesis-local, a Kinesis emulator for tests of shard changes: it splits and merges shards as the
real service does. `infra.local.kinesis` runs moto, which is faster and written in Python, but
cannot do that.

It is a Node program, installed once by npm from infra/local/package.json and its lock file.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.downloads import MissingTool, fetched, kept, npm_packages
from infra.local.kinesis import LocalKinesis
from infra.ports import chosen
from infra.supervisor.processes import signal_all, tied

_NAMED_IN = [Path(__file__).with_name(name) for name in ("package.json", "package-lock.json")]
CHANGE_TAKES = "200ms"
"""How long a change of a stream takes to become effective."""


def kinesis_local() -> Path:
    """Return the directory of its `main.js`; install it first if it is missing or of another
    version.

    Block while npm runs (seconds; a message is printed on stderr). Raise `MissingTool` without
    Node and npm, and `RuntimeError` with npm's output if it fails.
    """
    directory = fetched(kept("kinesis-local"), _NAMED_IN, _fetch)
    return directory / "node_modules" / "kinesis-local"


def _fetch(directory: Path) -> None:
    if shutil.which("node") is None:
        raise MissingTool("Node and npm are needed for kinesis-local (Debian: apt install npm)")
    print("installing kinesis-local with npm (16 MB, once) ...", file=sys.stderr)
    npm_packages(directory, _NAMED_IN)


@contextmanager
def running(kinesis: LocalKinesis, log_file: Path) -> Iterator[LocalKinesis]:
    """Run it instead of moto during the block, for tests and tools. Call it from the main thread.

    It contains no stream, and may not answer yet when the block begins.
    """
    directory = kinesis_local()  # it looks for its certificate in the current directory
    with log_file.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603
            tied(["node", "main.js"]), cwd=directory, env=_environment(kinesis),
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        yield kinesis
    finally:
        signal_all(process.pid, signal.SIGKILL)
        process.wait()


def _environment(kinesis: LocalKinesis) -> dict[str, str]:
    changes = ("CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS")
    return {
        "PATH": os.environ["PATH"],
        "KINESIS_MOCK_PLAIN_PORT": str(kinesis.port),
        "KINESIS_MOCK_TLS_PORT": str(chosen(["tls"], {}, [kinesis.port])["tls"]),
        "AWS_REGION": kinesis.region,
        "LOG_LEVEL": "ERROR",
        "SHARD_LIMIT": "1000",
        **{f"{change}_DURATION": CHANGE_TAKES for change in changes},
    }


if __name__ == "__main__":
    kinesis_local()
