"""Which channel is the customer, by the available evidence."""

from typing import Any

import pytest

from pipeline.recovery.sides import DeterminedBy, customer_channel
from tests.pipeline.recovery.contacts_made import CUSTOMER, WORKER, contact_with, source_at

LEG = {"conference_sid": None}


@pytest.mark.parametrize(
    ("contact", "source", "compared", "first", "number", "by"),
    [
        ({}, {}, 1, CUSTOMER, 1, DeterminedBy.AUDIO),
        ({}, {}, None, CUSTOMER, 0, DeterminedBy.JOINED_FIRST),
        ({}, {}, None, WORKER, 1, DeterminedBy.JOINED_FIRST),
        ({}, LEG, None, None, 0, DeterminedBy.LEG),
        ({}, LEG | {"call_sid": WORKER}, None, None, 1, DeterminedBy.LEG),
        ({}, {}, None, None, 0, DeterminedBy.DIRECTION),
        ({"direction": "outbound"}, {}, None, f"{CUSTOMER} {WORKER}", 1, DeterminedBy.DIRECTION),
        ({"direction": "outbound"}, {}, None, None, 1, DeterminedBy.DIRECTION),
        ({"customer_call_sids": ()}, {}, None, WORKER, 0, DeterminedBy.DIRECTION),
    ],
)
def test_the_best_evidence_decides(  # noqa: PLR0917
    contact: dict[str, Any],
    source: dict[str, Any],
    compared: int | None,
    first: str | None,
    number: int,
    by: DeterminedBy,
) -> None:
    """The audio itself, then the first participant or the leg's own party, then the direction. Of
    two that joined at the same time, neither is known to be the first."""
    joined = frozenset((first or "").split())
    found = customer_channel(
        contact_with(**contact), source_at(0, 9_000, **source), 2, compared, joined
    )
    assert (number, by) == (found.number, found.determined_by)


def test_a_single_channel_has_everything() -> None:
    """Regardless of other evidence."""
    found = customer_channel(contact_with(), source_at(0, 9_000), 1, None, frozenset({WORKER}))
    assert (0, DeterminedBy.MONO) == (found.number, found.determined_by)
