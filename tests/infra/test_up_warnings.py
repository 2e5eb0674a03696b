"""What `up` warns of at its start, and what the health checks then say."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.configured import show_missing
from infra.other_users import other_users
from infra.up import warnings
from pipeline.runtime.settings import Settings, load
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_credentials import cannot_record, missing_for_requests

ACCOUNT, SECRET = "AC" + "a" * 32, "x" * 40
KEY = {"twilio_api_key_sid": "SK" + "b" * 32, "twilio_api_key_secret": "key"}
REFUSED = "refuses every socket"
STARTED = "no media stream is started"


@pytest.mark.parametrize(
    ("given", "expected", "missing"),
    [
        ({}, [STARTED, REFUSED], ["ACCOUNT_SID", "AUTH_TOKEN"]),
        ({"twilio_account_sid": ACCOUNT}, [STARTED, REFUSED], ["AUTH_TOKEN", "API_KEY_SID"]),
        ({"twilio_auth_token": "t"}, [STARTED], ["ACCOUNT_SID"]),
        ({"twilio_account_sid": ACCOUNT, "twilio_auth_token": "t"}, [], []),
        ({"twilio_account_sid": ACCOUNT, **KEY, "ticket_secret": SECRET}, [REFUSED], []),
        ({"twilio_account_sid": ACCOUNT, **KEY}, [STARTED, REFUSED], ["TICKET_SECRET"]),
        ({"twilio_account_sid": ACCOUNT, "ticket_secret": SECRET}, [STARTED, REFUSED],
         ["AUTH_TOKEN", "API_KEY_SID"]),
        ({**KEY, "ticket_secret": SECRET}, [STARTED, REFUSED], ["ACCOUNT_SID"]),
        ({"twilio_account_sid": ACCOUNT, "twilio_auth_token": "t", **KEY}, [], []),
    ],
)  # fmt: skip
def test_warnings_say_what_does_not_work(
    given: dict[str, str], expected: list[str], missing: list[str]
) -> None:
    """Requests to Twilio and signatures need different credentials."""
    settings = load(None, **given)
    found = cannot_record(settings)
    assert len(expected) == len(found)
    assert all(words in sentence for words, sentence in zip(expected, found, strict=True))
    assert bool(missing) == bool(missing_for_requests(settings))
    assert all(f"FLEXCAPTURE_{'' if 'TICKET' in name else 'TWILIO_'}{name}"
               in missing_for_requests(settings) for name in missing)  # fmt: skip


def test_a_gateway_that_refuses_what_is_started_is_unhealthy() -> None:
    """With API key and ticket secret alone. Without any of them nothing is started: a warning."""
    health = Health()
    show_missing(load(None, twilio_account_sid=ACCOUNT, ticket_secret=SECRET), health)
    assert "FLEXCAPTURE_TWILIO_AUTH_TOKEN" in health.reasons["twilio"]
    health = Health()
    show_missing(load(None), health)
    assert "twilio" not in health.reasons
    assert "every media stream is refused" in health.warnings["twilio"]
    health = Health()
    show_missing(load(None, twilio_auth_token="t"), health)
    assert not health.warnings
    assert "twilio" not in health.reasons


def test_a_local_kafka_on_a_shared_machine_is_warned_of() -> None:
    """Not on a machine of one person, nor with a Kafka elsewhere."""
    assert 1 == len(_of_kafka(load(None), True, ["ann", "bob"]))
    assert "(ann, bob)" in _of_kafka(load(None), True, ["ann", "bob"])[0]
    assert [] == _of_kafka(load(None), True, [])
    assert [] == _of_kafka(load(None), False, ["ann"])


def _of_kafka(settings: Settings, local: bool, users: list[str]) -> list[str]:
    plan: Any = SimpleNamespace(settings=settings, local_kafka=local)
    return [text for text in warnings(plan, users) if "access control" in text]


def test_people_are_users_that_can_log_in(tmp_path: Path) -> None:
    """Neither services nor this user; a broken line or a missing file lists no one."""
    passwd = tmp_path / "passwd"
    passwd.write_text(
        "root:x:0:0:root:/root:/bin/bash\n"
        "daemon:x:1:1::/:/usr/sbin/nologin\n"
        "me:x:1000:1000::/home/me:/bin/bash\n"
        "ann:x:1001:1001::/home/ann:/bin/zsh\n"
        "job:x:1002:1002::/home/job:/usr/sbin/nologin\n"
        "nobody:x:65534:65534::/nonexistent:/bin/sh\n"
        "broken:x:y\n\n"
    )
    assert ["ann"] == other_users(passwd, 1000)
    assert ["me", "ann"] == other_users(passwd, 0)
    assert [] == other_users(tmp_path / "none")
