"""The settings of a retriever at work."""

import os
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from agents.retriever.working import decryption_keys, download_directory
from pipeline.runtime.settings import Settings, SettingsError
from tests.pipeline.recovery.test_decryption import pem


def test_a_wrong_private_key_is_refused_by_its_name() -> None:
    """Without a word of it."""
    assert () == decryption_keys(Settings())
    key = rsa.generate_private_key(65537, 2048)
    assert 1 == len(decryption_keys(Settings(recording_private_key=pem(key))))
    with pytest.raises(SettingsError, match="RECORDING_PRIVATE_KEY") as refused:
        decryption_keys(Settings(recording_private_key="guessable"))
    assert "guessable" not in str(refused.value)


def test_each_process_has_a_directory_of_its_own_for_downloads(tmp_path: Path) -> None:
    """Which others cannot read, and which it finds again after a restart."""
    one = download_directory(Settings(state_dir=tmp_path, instance="retriever-0"))
    two = download_directory(Settings(state_dir=tmp_path, instance="retriever-1"))
    assert one != two
    assert one == download_directory(Settings(state_dir=tmp_path, instance="retriever-0"))
    assert 0o700 == one.stat().st_mode & 0o777


def test_files_of_jobs_that_another_process_has_are_deleted(tmp_path: Path) -> None:
    """After a day; a download that was begun lately is continued."""
    settings = Settings(state_dir=tmp_path, instance="retriever-0")
    directory = download_directory(settings)
    for name, age_s in (("RE1.wav", 90_000), ("RE2.wav", 3_600)):
        (directory / name).write_bytes(b"?")
        at = time.time() - age_s
        os.utime(directory / name, (at, at))
    assert ["RE2.wav"] == [path.name for path in download_directory(settings).iterdir()]
