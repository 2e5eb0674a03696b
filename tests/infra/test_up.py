"""What `up` warns of at its start, and what the health checks then say."""

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.up import close_to_others, warnings
from pipeline.runtime.permissions import tighten_tree
from pipeline.runtime.settings import Settings, load


def test_a_local_kafka_on_a_shared_machine_is_warned_of() -> None:
    """Not on a machine of one person, nor with a Kafka elsewhere."""
    assert 1 == len(_of_kafka(load(None), True, ["ann", "bob"]))
    assert "(ann, bob)" in _of_kafka(load(None), True, ["ann", "bob"])[0]
    assert [] == _of_kafka(load(None), True, [])
    assert [] == _of_kafka(load(None), False, ["ann"])


def _of_kafka(settings: Settings, local: bool, users: list[str]) -> list[str]:
    plan: Any = SimpleNamespace(settings=settings, local_kafka=local)
    return [text for text in warnings(plan, users) if "access control" in text]


def test_up_closes_what_an_earlier_version_left_open(tmp_path: Path) -> None:
    """The state directory, what settings name, and what the roles will be given in it."""
    state, store = tmp_path / "state", tmp_path / "store"
    named = [state, store, state / "logs", state / "recordings"]
    for path in named:
        path.mkdir()
        path.chmod(0o755)
    database = state / "flexcapture.db"
    database.touch()
    database.chmod(0o644)
    close_to_others(load(None, recordings_url=store.as_uri()), state)

    assert [0] * 5 == [path.stat().st_mode & 0o077 for path in (*named, database)]


@pytest.mark.parametrize(("mode", "others"), [(0o600, 0), (0o640, 0o050), (0o660, 0o070)])
def test_up_closes_everything_below_its_directories(mode: int, others: int, tmp_path: Path) -> None:
    """Directories and files at any depth, of the state directory and of what settings name, keep
    at most what the file mode gives; the owner's permissions stay."""
    state, store, spill = tmp_path / "state", tmp_path / "store", tmp_path / "spill"
    files = [state / "kafka/data/media-3/0.log", state / "console-token", state / "gateway/tickets"]
    files += [store / "2026/11/a.wav", spill / "g/x"]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o766)
    made = {path for root in (state, store, spill) for path in (root, *root.rglob("*"))}
    for path in made - set(files):
        path.chmod(0o777)
    settings = load(None, recordings_url=store.as_uri(), gateway_spill_dir=spill, file_mode=mode)
    close_to_others(settings, state)

    token = files.pop(1)
    assert 0o700 == stat.S_IMODE(token.stat().st_mode)
    assert {0o700 | 0o066 & mode} == {stat.S_IMODE(path.stat().st_mode) for path in files}
    directories = {stat.S_IMODE(path.stat().st_mode) for path in made - {token, *files}}
    assert {0o700 | others} == directories


def test_symbolic_links_below_a_directory_are_not_followed(tmp_path: Path) -> None:
    """A link may lead to any user's files, so it is followed only if it is named itself."""
    state, outside, volume = tmp_path / "state", tmp_path / "outside", tmp_path / "volume"
    for path in (state, outside, volume):
        path.mkdir()
        (path / "file").touch()
        (path / "file").chmod(0o644)
        path.chmod(0o755)
    (state / "directory").symlink_to(outside)
    (state / "link").symlink_to(outside / "file")
    (state / "gone").symlink_to(tmp_path / "nothing")
    (state / "round").symlink_to(state)
    (state / "recordings").symlink_to(volume)
    close_to_others(load(None), state)

    assert [0o755, 0o644] == [stat.S_IMODE(p.stat().st_mode) for p in (outside, outside / "file")]
    closed = (state, state / "file", volume, volume / "file")
    assert [0] * 4 == [path.stat().st_mode & 0o077 for path in closed]


def test_closed_files_are_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large directory is only looked at."""
    for number in range(20):
        (tmp_path / f"{number}").touch(0o600)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(Path, "chmod", lambda *_: pytest.fail("changed"))
    tighten_tree("FLEXCAPTURE_STATE_DIR", tmp_path, 0o600)
