"""Commands name the error even if it has no text, as a time-out of asyncio."""

from collections.abc import Coroutine
from typing import Any

import pytest

from cli.main import main

TASK = "WT" + "1" * 32
HOUR = ["--from", "2026-11-29T08:00:00Z", "--to", "2026-11-29T09:00:00Z"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["call", TASK],
        ["dead-letters", "list"],
        ["policy", "accept"],
        ["rebuild", "tracker", "--check"],
        ["reconcile", *HOUR],
        ["tail", "calls"],
        ["topics", "check"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_time_out_is_shown(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line that ends with a colon, or "flexcapture: " alone, explains nothing."""

    def timed_out(work: Coroutine[Any, Any, object]) -> None:
        work.close()
        raise TimeoutError

    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("FLEXCAPTURE_TWILIO_ACCOUNT_SID", "AC" + "1" * 32)
    monkeypatch.setenv("FLEXCAPTURE_TWILIO_AUTH_TOKEN", "t" * 32)
    monkeypatch.setattr("asyncio.run", timed_out)
    assert 1 == main(arguments)
    assert capsys.readouterr().err.rstrip().endswith("no answer in time")
