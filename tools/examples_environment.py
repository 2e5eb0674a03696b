"""`python -m tools.examples_environment`: install what the examples need, once, for the tests.

The examples run in a Python environment of their own, as a data team would have it, with the
packages of `examples/requirements.lock` and `flexcapture-schemas`. It and the jars of
`examples/pom.xml` are kept in `.local`.
"""

import subprocess
import sys
from pathlib import Path

from infra.local.downloads import fetched, kept
from infra.local.jars import download
from tools.structure import ROOT

LOCK = ROOT / "examples" / "requirements.lock"
POM = ROOT / "examples" / "pom.xml"


def python() -> Path:
    """Return the interpreter of the environment; create it first if it is missing or its packages
    have changed. Block for a minute then."""
    return fetched(kept("examples-venv"), [LOCK], _make) / "bin" / "python"


def jars() -> Path:
    """Return the directory of the jars; download them first if they are missing."""
    return fetched(kept("examples-jars"), [POM], _fetch)


def install_schemas(directory: Path) -> None:
    """Install `flexcapture-schemas`, as it is in this checkout, into a directory for PYTHONPATH."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    _pip(["install", *options, "--target", str(directory), str(ROOT / "schemas")])


def _make(directory: Path) -> None:
    print("installing the packages of the examples (350 MB, once) ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    into = ["--python", str(directory / "bin" / "python")]
    options = ["--quiet", "--require-hashes", "--no-deps", "-r", str(LOCK)]
    _pip([*into, "install", *options])


def _pip(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"pip failed:\n{done.stdout}{done.stderr}")


def _fetch(directory: Path) -> None:
    print("downloading Kafka Streams with Maven (105 MB, once) ...", file=sys.stderr)
    download(POM, directory)


if __name__ == "__main__":
    python()
    jars()
