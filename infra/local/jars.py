"""The jars of the local broker: downloaded once with Maven, kept, and reused.

In a checkout they are in `.local/kafka-libs`; an installed flexcapture keeps them in the user's
cache. This module also finds Maven and Java. Its errors say what to install.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from infra.local.downloads import MissingTool, fetched, kept

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17
_FETCH_SECONDS = 600


def kafka_jars() -> Path:
    """Return the directory of the jars; download them first if they are missing or pom.xml has
    changed.

    Block while Maven runs (seconds; a message is printed on stderr). Raise `MissingTool` without
    Maven, and `RuntimeError` with Maven's output if it fails.
    """
    return fetched(kept("kafka-libs"), [POM], _fetch)


def java(oldest: int = OLDEST_JAVA) -> str:
    """Return the `java` to run, from JAVA_HOME or the PATH. Raise `MissingTool` if there is none
    that is new enough."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    advice = f"Java {oldest} or newer is needed (Debian: apt install openjdk-{oldest}-jre-headless)"
    if found is None:
        raise MissingTool(f"{advice}; there is no java on the PATH")
    result = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = re.search(r'version "(?:1\.)?(\d+)', result.stderr + result.stdout)
    if version is None or int(version[1]) < oldest:
        raise MissingTool(f"{advice}; {found} has version {version[1] if version else 'unknown'}")
    return found


def _fetch(directory: Path) -> None:
    print("downloading Kafka's jars with Maven (54 MB, once) ...", file=sys.stderr)
    download(POM, directory)


def download(pom: Path, directory: Path) -> None:
    """Download the jars that a pom.xml names, with all that they need.

    Block while Maven runs. Raise `MissingTool` without Maven, and `RuntimeError` with Maven's
    output if it fails.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool("Maven is needed to download Kafka (Debian: apt install maven)")
    command = [
        maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={directory}",
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS
    )
    if done.returncode != 0:
        raise RuntimeError(f"Maven cannot download Kafka:\n{(done.stdout + done.stderr).strip()}")
