"""The wheel has only names of this project."""

from importlib.metadata import packages_distributions

import pytest

PACKAGES = (
    "schemas",
    "pipeline",
    "bridge",
    "agents",
    "gateway",
    "console",
    "simulator",
    "infra",
    "cli",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_brings_our_names(package: str) -> None:
    """No installed distribution but flexcapture has a package of this name: theirs would hide
    ours."""
    assert set() == set(packages_distributions().get(package, [])) - {"flexcapture"}
