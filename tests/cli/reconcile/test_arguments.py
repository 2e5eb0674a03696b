"""The arguments of `flexcapture reconcile`."""

import pytest

from cli.parser import parser
from pipeline.times import moment


def test_a_period_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    """Both times, each a moment."""
    asked = parser().parse_args(
        [
            "reconcile",
            "--from",
            "2026-11-29T12:00:00Z",
            "--to",
            "2026-11-29T14:00:00+01:00",
            "--json",
        ]
    )
    assert (moment("2026-11-29T12:00:00Z"), moment("2026-11-29T13:00:00Z"), True) == (
        asked.since,
        asked.until,
        asked.json,
    )
    for wrong in (["--from", "2026-11-29T12:00:00Z"], ["--from", "noon", "--to", "1"]):
        with pytest.raises(SystemExit):
            parser().parse_args(["reconcile", *wrong])
    assert "--to" in capsys.readouterr().err
