"""The error that ends a role. What ends its process: tests/pipeline/runtime/test_process.py."""

import pytest

from cli.role_process import failed
from pipeline.runtime.settings import SettingsError


def test_an_error_is_printed_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the role and the cause; the status of a wrong setting is 2, that of others 1."""
    group = ExceptionGroup("outer", [ValueError("why")])
    assert 1 == failed("tracker", group)
    assert "flexcapture: tracker: ValueError: why" == capsys.readouterr().err.splitlines()[-1]
    assert 2 == failed("tracker", ExceptionGroup("outer", [SettingsError("a setting")]))
    assert "flexcapture: a setting\n" == capsys.readouterr().err
