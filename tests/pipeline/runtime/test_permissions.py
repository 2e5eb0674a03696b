"""Access of the machine's users to written files."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.permissions import refuse_open_paths, set_umask, tighten, umask_for
from pipeline.runtime.settings import SettingsError, load
from pipeline.store.files import Directory
from pipeline.store.growing_files import Drafts

MODES = [0o600, 0o640, 0o660]


@pytest.fixture
def umask() -> Iterator[None]:
    """The previous umask is restored afterwards."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(("mode", "umask"), [(0o600, 0o077), (0o640, 0o027), (0o660, 0o007)])
def test_the_umask_is_made_of_the_mode(mode: int, umask: int) -> None:
    """Other users never get access. The mode that allows reading files also allows entering
    directories."""
    assert umask == umask_for(mode)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", MODES)
def test_recordings_are_written_with_the_mode(mode: int, tmp_path: Path) -> None:
    """Growing files, finished files, and the directories that are made for them."""
    set_umask(mode)
    root = tmp_path / "recordings"
    root.mkdir()
    files = Directory(root)
    Drafts(files).write("segments/a", [], new=True)
    files.write("2026/a.wav", [b"audio"])

    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    assert {mode} == {m for path, m in found.items() if path.is_file()}
    assert {0o777 & ~umask_for(mode)} == {m for path, m in found.items() if path.is_dir()}


@given(st.integers(0, 0o777), st.sampled_from(MODES))
def test_what_is_tightened_is_not_refused(mode: int, file_mode: int) -> None:
    """For any mode: no permissions are given to others, none are taken from the owner."""
    with TemporaryDirectory() as made:
        path = Path(made) / "recordings"
        path.mkdir()
        path.chmod(mode)
        settings = load(None, recordings_url=path.as_uri(), file_mode=file_mode)
        tighten("FLEXCAPTURE_RECORDINGS_URL", path, file_mode)
        refuse_open_paths(settings)
        after = stat.S_IMODE(path.stat().st_mode)
        path.chmod(0o700)

    assert after == mode & ~(0o077 & umask_for(file_mode))


def test_a_directory_that_all_users_share_is_not_closed(tmp_path: Path) -> None:
    """`/tmp`, say: to close it would break the machine."""
    path = tmp_path / "shared"
    path.mkdir()
    path.chmod(0o1777)
    with pytest.raises(SettingsError, match=r"^FLEXCAPTURE_STATE_DIR: .*another directory"):
        tighten("FLEXCAPTURE_STATE_DIR", path, 0o600)
    assert 0o1777 == stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("setting", ["STATE_DIR", "GATEWAY_SPILL_DIR", "RECORDINGS_URL"])
def test_a_role_refuses_a_directory_that_is_open_to_others(setting: str, tmp_path: Path) -> None:
    """With status 2, the setting's name and the command to run; after that it does not."""
    path = tmp_path / "it's here"
    path.mkdir()
    path.chmod(0o755)
    value = path.as_uri() if setting == "RECORDINGS_URL" else str(path)
    done = _recorder(**{f"FLEXCAPTURE_{setting}": value})

    assert 2 == done.returncode
    [line] = done.stderr.splitlines()
    assert f"FLEXCAPTURE_{setting}" in line
    subprocess.run(["sh", "-c", line.partition("run: ")[2]], check=True)
    assert 0o700 == stat.S_IMODE(path.stat().st_mode)
    assert "open to other users" not in _recorder(**{f"FLEXCAPTURE_{setting}": value}).stderr


def test_a_role_refuses_a_database_that_is_open_to_others(tmp_path: Path) -> None:
    """SQLite keeps the mode of a file that is there."""
    path = tmp_path / "flexcapture.db"
    path.touch()
    path.chmod(0o644)
    done = _recorder(FLEXCAPTURE_DATABASE_URL=f"sqlite:///{path}")

    assert 2 == done.returncode
    assert f"chmod 600 {path}" in done.stderr


def test_the_group_may_read_if_it_is_allowed_to(tmp_path: Path) -> None:
    """0750 is not open to others under 0640."""
    path = tmp_path / "recordings"
    path.mkdir()
    path.chmod(0o750)
    refuse_open_paths(load(None, recordings_url=path.as_uri(), file_mode="0640"))
    with pytest.raises(SettingsError, match="chmod 700"):
        refuse_open_paths(load(None, recordings_url=path.as_uri()))


def _recorder(**environment: str) -> subprocess.CompletedProcess[str]:
    """A recorder that has no Kafka: it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "recorder"],
        env={**os.environ, "FLEXCAPTURE_NO_ENV_FILE": "1", **environment},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
