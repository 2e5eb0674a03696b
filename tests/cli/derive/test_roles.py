"""The roles of a derivation."""

import pytest

from cli.derive.roles import chosen


def test_roles_keep_their_order() -> None:
    """A record is handled by the roles in one order, however they are named."""
    assert ["tracker", "consolidator"] == [r.name for r in chosen(["consolidator", "tracker"])]
    with pytest.raises(ValueError, match="gateway"):
        chosen(["tracker", "gateway"])
