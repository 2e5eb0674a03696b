"""Endpoints and metrics of a running pipeline."""

from pathlib import Path

import pytest

from simulator.console import ConsoleError, read_endpoints, summed


def test_endpoints_are_read(tmp_path: Path) -> None:
    """Without a file there are no endpoints; a file that does not follow the contract is an
    error."""
    path = tmp_path / "endpoints.json"
    assert None is read_endpoints(path)
    path.write_text("{}")
    with pytest.raises(ConsoleError):
        read_endpoints(path)


def test_metrics_are_summed_over_labels() -> None:
    """Samples of one name count together, comments do not."""
    text = '# HELP a b\na_total{x="1"} 2\na_total{x="2"} 3.5\nb 1e3\n'
    assert {"a_total": 5.5, "b": 1000.0} == summed(text)
