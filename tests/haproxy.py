"""The mark of tests that need HAProxy."""

import pytest

from infra.local.downloads import MissingTool
from infra.local.haproxy import haproxy_binary


def is_missing() -> bool:
    """Whether HAProxy is not installed."""
    try:
        haproxy_binary()
    except MissingTool:
        return True
    return False


with_haproxy = pytest.mark.skipif(
    is_missing(),
    reason="HAProxy is missing: run `make haproxy`, or install Debian's package `haproxy`",
)
"""Without HAProxy the test is skipped, which fails the run in CI."""
