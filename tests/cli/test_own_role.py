"""`flexcapture run`: a role that is not one of the pipeline's own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import main
from cli.own_role import NoRole, found
from examples import queue_counter

SPEC = "from agents.faust_runner.role import RoleSpec\nfrom schemas.topics import CALLS\n"
RUN = "async def run(settings, health, stop): ...\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working directory of its own; its modules are forgotten afterwards."""
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(name: str, text: str) -> None:
    """A module in the working directory."""
    Path(f"{name}.py").write_text(text)


def test_the_example_is_found() -> None:
    """By the name of its module."""
    name, entry = found("examples.queue_counter")
    assert ("queue-counter", queue_counter.run) == (name, entry.load())


def test_a_module_of_the_working_directory_is_found() -> None:
    """It need not be installed."""
    write("mine", f"{SPEC}SPEC = RoleSpec(name='mine', sources=(CALLS,))\n{RUN}")
    assert "mine" == found("mine")[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "mine is no role: it needs SPEC"),
        (RUN, "mine is no role: it needs SPEC"),
        (f"{SPEC}SPEC = RoleSpec(name='mine', sources=(CALLS,))\n", "mine is no role"),
        (
            f"{SPEC}SPEC = RoleSpec(name='tracker', sources=(CALLS,))\n{RUN}",
            "run `flexcapture tracker`",
        ),
    ],
)
def test_a_module_that_is_no_role_is_refused(text: str, reason: str) -> None:
    """The reason says how to make it one."""
    write("mine", text)
    with pytest.raises(NoRole, match=reason):
        found("mine")


@pytest.mark.parametrize("module", ["nothing", "examples.nothing", "", ".mine", "mine.py"])
def test_a_module_that_does_not_exist_is_refused(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With status 2 and one line."""
    write("mine", "")
    assert 2 == main(["run", module])
    assert 1 == len(capsys.readouterr().err.splitlines())


def test_an_error_of_the_module_is_shown() -> None:
    """A module that it cannot import is not mistaken for the module itself."""
    write("mine", "import nothing_of_the_kind\n")
    with pytest.raises(ModuleNotFoundError, match="nothing_of_the_kind"):
        found("mine")
    write("other", "raise ValueError('its own')\n")
    with pytest.raises(ValueError, match="its own") as raised:
        found("other")
    assert not isinstance(raised.value, NoRole)


def test_it_needs_a_kafka(capsys: pytest.CaptureFixture[str]) -> None:
    """A configured one, or that of an `up`."""
    assert 2 == main(["run", "examples.queue_counter"])
    assert "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS is not set" in capsys.readouterr().err
    assert 1 == main(["run", "examples.queue_counter", "--state-dir", "nowhere"])
    assert "no `flexcapture up` runs with nowhere" in capsys.readouterr().err
