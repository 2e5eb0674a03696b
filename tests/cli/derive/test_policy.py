"""The rules of a derivation."""

from pathlib import Path
from typing import Any

import pytest

from cli.derive.command import changed_rules
from cli.derive.policy import ChangedHistory, ChangedRules
from cli.parser import parser
from pipeline.runtime.settings import SettingsError
from schemas.records import RecordingPolicy


def parsed(*arguments: str) -> Any:
    return parser().parse_args(["derive", *arguments])


def test_rules_are_changed_in_every_version(tmp_path: Path) -> None:
    """All else stays as it was, version by version; a changed list holds from the
    beginning on."""
    path = tmp_path / "list"
    path.write_text("Bob@example.com\nteam:Gold\n")
    asked = parsed("--to", "a", "--record-outbound", "false", "--monitored-agents", str(path))
    rules = changed_rules(asked)
    assert ChangedRules(("bob@example.com", "team:gold"), None, False) == rules
    history = ChangedHistory(rules)
    for number, inbound in ((1, True), (2, False)):
        entries = (f"{number}@example.com",)
        history.add(RecordingPolicy(number, number, number * 10, entries, inbound, True))
    for at, version, inbound in ((5, 0, True), (10, 1, True), (25, 2, False)):
        found = history.at(at)
        assert (version, rules.entries) == (found.version, found.entries)
        assert (inbound, False) == (found.record_inbound, found.record_outbound)
    assert "" == str(changed_rules(parsed("--to", "a")))
    path.write_text("nonsense\n")
    with pytest.raises(SettingsError, match="line 1"):
        changed_rules(asked)
