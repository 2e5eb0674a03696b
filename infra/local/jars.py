"""The jars of the local broker: fetched once with Maven, kept, and used again.

In a checkout they are in `.local/kafka-libs`; an installed flexcapture keeps them in the user's
cache. Both the fetching and the Java that runs them are looked for here, with errors that say what
to install.
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
    """The directory that holds the jars, fetched first where they are missing or of another pom.

    Blocks while Maven works (seconds; told on stderr). Raises `MissingTool` without Maven, and
    `RuntimeError` with Maven's own words where it fails.
    """
    return fetched(kept("kafka-libs"), [POM], _fetch)


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


def _fetch(directory: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool("Maven is needed to fetch Kafka (Debian: apt install maven)")
    print("fetching Kafka's jars with Maven (54 MB, once) ...", file=sys.stderr)
    command = [
        maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={directory}",
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS
    )
    if done.returncode != 0:
        raise RuntimeError(f"Maven could not fetch Kafka:\n{(done.stdout + done.stderr).strip()}")
