"""What `up` takes for ready."""

import pytest

from infra.supervisor.health_probe import is_only, is_waiting_for_a_list
from pipeline.runtime.settings import Role


@pytest.mark.parametrize(
    ("role", "status", "text", "ready"),
    [
        (Role.STREAM_MANAGER, 503, "monitored-list: the list would lose 9 of 9 entries", True),
        (Role.STREAM_MANAGER, 503, "monitored-list: x\npolicy: y\nwarning: z: a", True),
        (Role.STREAM_MANAGER, 503, "monitored-list: x\nstarting: not ready yet", False),
        (Role.STREAM_MANAGER, 0, "not listening yet", False),
        (Role.CONSOLIDATOR, 503, "policy: y", False),
        ("kafka", 503, "monitored-list: x", False),
    ],
)
def test_a_list_that_is_held_back_does_not_keep_the_pipeline_from_starting(
    role: str, status: int, text: str, ready: bool
) -> None:
    """The stream manager does its work by the list in force; accepting the other needs Kafka."""
    assert ready == is_waiting_for_a_list(role, status, text)


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("twilio: no Twilio credentials: set X", True),
        ("twilio: x\nwarning: clock: y", True),
        ("starting: not ready yet\ntwilio: x", False),
        ("not listening yet", False),
        ("ok", False),
        ("", False),
    ],
)
def test_missing_credentials_do_not_hide_another_reason(text: str, ready: bool) -> None:
    """A role without credentials is ready once nothing else is missing."""
    assert ready == is_only(text, "twilio")
