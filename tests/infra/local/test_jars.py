"""Java and Maven are found, or the error names the package to install."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.local import jars
from infra.local.downloads import MissingTool
from infra.local.jars import OLDEST_JAVA, download, java, kafka_jars


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Programs on the PATH: none at first. Keys: `asked`, the commands; `out`, their output on
    standard error; `status`."""
    found: dict[str, Any] = {"asked": [], "out": "", "status": 0}

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        found["asked"].append(command)
        return subprocess.CompletedProcess(command, found["status"], "", found["out"])

    monkeypatch.setattr(jars.subprocess, "run", run)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    (tmp_path / "bin").mkdir()
    return found


def install(directory: Path, name: str) -> str:
    """Put a program into a directory. Return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / name
    program.write_text("")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("version", "is_accepted"),
    [
        ('openjdk version "17.0.2" 2022-01-18', True),
        ('openjdk version "21" 2023-09-19', True),
        ('java version "1.8.0_402"', False),
        ('openjdk version "11.0.22"', False),
        ("no java at all", False),
    ],
)
def test_java_must_be_new_enough(
    answers: dict[str, Any], tmp_path: Path, version: str, is_accepted: bool
) -> None:
    """Versions before 9 have a number of the form 1.8."""
    program = install(tmp_path / "bin", "java")
    answers["out"] = version
    if is_accepted:
        assert program == java()
    else:
        with pytest.raises(MissingTool, match=f"Java {OLDEST_JAVA} or newer.*openjdk"):
            java()


def test_the_java_of_java_home_comes_first(
    answers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without a program falls back to the PATH."""
    on_path, own = install(tmp_path / "bin", "java"), install(tmp_path / "own" / "bin", "java")
    answers["out"] = 'version "21"'
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "own"))
    assert own == java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    assert on_path == java()


def test_a_missing_java_is_named(answers: dict[str, Any]) -> None:
    """With the version that is needed."""
    with pytest.raises(MissingTool, match=r"Java 25 or newer.*no java on the PATH"):
        java(25)


def test_the_jars_are_downloaded_once(
    answers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And again when pom.xml has changed."""
    install(tmp_path / "bin", "mvn")
    pom = tmp_path / "pom.xml"
    pom.write_text("1")
    monkeypatch.setattr(jars, "POM", pom)
    monkeypatch.setattr(jars, "kept", lambda name: tmp_path / "kept" / name)
    fetch = jars.subprocess.run

    def run(command: list[str], **more: Any) -> Any:
        [directory] = [a.split("=")[1] for a in command if a.startswith("-DoutputDirectory")]
        Path(directory).mkdir()
        return fetch(command, **more)

    monkeypatch.setattr(jars.subprocess, "run", run)
    for text, times in (("1", 1), ("1", 1), ("2", 2)):
        pom.write_text(text)
        assert tmp_path / "kept" / "kafka-libs" == kafka_jars()
        assert times == len(answers["asked"])


def test_a_download_that_fails_shows_the_output_of_maven(
    answers: dict[str, Any], tmp_path: Path
) -> None:
    """Without Maven, the package is named."""
    with pytest.raises(MissingTool, match="apt install maven"):
        download(tmp_path / "pom.xml", tmp_path)
    install(tmp_path / "bin", "mvn")
    answers |= {"status": 1, "out": "no such host\n"}
    with pytest.raises(RuntimeError, match=r"Maven cannot download Kafka:\nno such host$"):
        download(tmp_path / "pom.xml", tmp_path)
