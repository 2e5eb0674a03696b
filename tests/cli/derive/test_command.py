"""Arguments, settings and groups of `flexcapture derive`."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli.derive.arguments import ROLE_NAMES, checked
from cli.derive.command import changed_rules, without_secrets
from cli.derive.dropping import groups_of
from cli.derive.policy import ChangedHistory, ChangedRules
from cli.derive.roles import ROLES, chosen
from cli.parser import parser
from pipeline.runtime.settings import Settings, SettingsError
from schemas.records import RecordingPolicy

LIVE = Settings(topic_prefix="prod.", kafka_bootstrap_servers="h:1")


def parsed(*arguments: str) -> Any:
    return parser().parse_args(["derive", *arguments])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "--to PREFIX is missing"),
        (["--to", "prod."], "live topics"),
        (["--to", "pro"], "live topics"),
        (["compare", "prod."], "live topics"),
        (["--to", "a.", "--until", "1790000000005", "--follow"], "has no end"),
        (["--to", "a.", "--from", "1790000000009", "--until", "1790000000005"], "later"),
    ],
)
def test_contradictory_arguments_are_refused(arguments: list[str], problem: str) -> None:
    """Nothing is read then."""
    with pytest.raises(SettingsError, match=problem):
        checked(parsed(*arguments), LIVE)


def test_arguments_are_read() -> None:
    """All roles by default; `beginning` is no time; an action has its own prefix."""
    asked = parsed("--to", "a.", "--from", "beginning", "--until", "1790000000009")
    checked(asked, LIVE)
    assert (ROLE_NAMES, None, 1_790_000_000_009) == (asked.roles, asked.since, asked.until)
    assert set(ROLE_NAMES) == set(ROLES)
    assert ("resolver", "tracker") == parsed("--to", "a", "--roles", "resolver, tracker").roles
    drop = parsed("drop", "a.", "--yes", "--state-dir", "d")
    assert ("a.", True, Path("d")) == (drop.prefix, drop.yes, drop.state_dir)
    for wrong in (["--to", "a b"], ["--to", "a", "--roles", "gateway"], ["drop"]):
        with pytest.raises(SystemExit):
            parsed(*wrong)


def test_roles_keep_their_order() -> None:
    """A record is handled by the roles in one order, however they are named."""
    assert ["tracker", "consolidator"] == [r.name for r in chosen(["consolidator", "tracker"])]
    with pytest.raises(ValueError, match="gateway"):
        chosen(["tracker", "gateway"])


def test_it_has_no_credentials_of_twilio() -> None:
    """Only Kafka can be reached with a derivation's settings."""
    secret = SecretStr("s" * 32)
    settings = Settings(
        kafka_bootstrap_servers="h:1",
        kafka_sasl_password=secret,
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token=secret,
        twilio_api_key_sid="SK" + "0" * 32,
        twilio_api_key_secret=secret,
        ticket_secret=secret,
        database_url="sqlite://",
        recordings_url="file:///r",
        voice_channels=frozenset({"v"}),
    )
    kept = without_secrets(settings)
    assert kept.rest_credentials is None
    assert () == kept.auth_tokens == kept.ticket_secrets
    assert (None, None) == (kept.database_url, kept.recordings_url)
    assert ("h:1", secret) == (kept.kafka_bootstrap_servers, kept.kafka_sasl_password)
    assert frozenset({"v"}) == kept.voice_channels


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


def test_groups_of_other_pipelines_stay() -> None:
    """A longer prefix may be another pipeline's; without a separator only roles' groups count."""
    topics = {"a.calls", "a.derive.progress", "a.b.calls", "calls"}
    groups = ["tracker", "a.tracker", "a.mine", "a.b.tracker", "ab.x"]
    assert ("a.mine", "a.tracker") == groups_of("a.", groups, topics)
    assert ("atracker",) == groups_of("a", ["atracker", "another", "tracker"], {"acalls"})
