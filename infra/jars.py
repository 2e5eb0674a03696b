"""The jars of the local broker: fetched once with Maven, kept, and used again.

In a checkout they are in `.local/kafka-libs`; an installed flexcapture keeps them in the user's
cache. Both the fetching and the Java that runs them are looked for here, with errors that say what
to install.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17
_FETCH_SECONDS = 600


class MissingTool(RuntimeError):
    """Something that must be on the machine is not; the text says what to install."""


def default_directory() -> Path:
    """Where the jars are kept: in the checkout, or in the user's cache where there is none."""
    checkout = POM.parent.parent
    if (checkout / "pyproject.toml").exists():
        return checkout / ".local" / "kafka-libs"
    return Path.home() / ".cache" / "flexcapture" / "kafka-libs"


def kafka_jars(directory: Path | None = None) -> Path:
    """The directory that holds the jars, fetched first where they are missing or of another pom.

    Blocks while Maven works (seconds; told on stderr). Raises `MissingTool` without Maven, and
    `RuntimeError` with Maven's own words where it fails.
    """
    directory = directory or default_directory()
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    if _mark(directory) == wanted:
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _mark(directory) != wanted:  # whoever held the lock may have fetched them
            _fetch(directory, wanted)
    return directory


def java() -> str:
    """The `java` to run, of JAVA_HOME or the PATH. Raises `MissingTool` if none is new enough."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    advice = f"Java {OLDEST_JAVA} or newer is needed (Debian: apt install openjdk-17-jre-headless)"
    if found is None:
        raise MissingTool(f"{advice}; there is no java on the PATH")
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise MissingTool(
            f"{advice}; {found} is {version[1] if version else 'of no known version'}"
        )
    return found


def _mark(directory: Path) -> str | None:
    mark = directory / "pom.sha256"
    return mark.read_text() if mark.exists() else None


def _fetch(directory: Path, mark: str) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool("Maven is needed to fetch Kafka (Debian: apt install maven)")
    print("fetching Kafka's jars with Maven (54 MB, once) ...", file=sys.stderr)
    partial = directory.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [
        maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={partial}",
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS
    )
    if done.returncode != 0:
        raise RuntimeError(f"Maven could not fetch Kafka:\n{(done.stdout + done.stderr).strip()}")
    (partial / "pom.sha256").write_text(mark)
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)
