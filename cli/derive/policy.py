"""The monitored list with changed rules, for a derivation with other rules than the live ones.
Pure."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import RecordingPolicy


@dataclass(frozen=True, slots=True)
class ChangedRules:
    """Rules in place of the live ones, in every version of the list; None: the live rule applies.
    `entries`: of the list, in normal form."""

    entries: tuple[str, ...] | None = None
    record_inbound: bool | None = None
    record_outbound: bool | None = None

    def __str__(self) -> str:
        changes = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(changes, sort_keys=True) if changes else ""


class ChangedHistory(PolicyHistory):
    """The versions of the monitored list with the changed rules, each in force when the live one
    was. A changed list is also in force before the first version."""

    def __init__(self, rules: ChangedRules) -> None:
        super().__init__()
        given = {name: getattr(rules, name) for name in rules.__slots__}
        self._changes: dict[str, Any] = {n: v for n, v in given.items() if v is not None}
        self._changed: dict[tuple[int, int, str], RecordingPolicy] = {}

    def at(self, now: int) -> RecordingPolicy:
        """Return the version in force at `now` (ms), with the changed rules."""
        live = super().at(now)
        place = live.version, live.effective_at, live.hash
        known = self._changed.get(place)
        if known is None:
            known = self._changed[place] = replace(live, **self._changes)
        return known
