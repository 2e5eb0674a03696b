"""What `up` waits for. Its life as a whole: tests/integration/test_up.py, test_up_waiting.py."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from infra.supervisor import supervisor
from infra.supervisor.supervisor import Supervisor
from pipeline.recovery.wanted import Recovery
from pipeline.runtime.settings import Role, Settings, SettingsError
from tests.virtual_time import virtually


def made(lines: list[str], settings: Settings | None = None) -> Any:
    """A supervisor that has started nothing."""
    one: Any = object.__new__(Supervisor)
    one._plan = SimpleNamespace(settings=settings or Settings(), bootstrap_servers="kafka:9092")
    one._say = lines.append
    return one


def test_an_external_kafka_is_waited_for_with_one_line_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For any length of the outage: five minutes here."""
    answers = iter([*[KafkaConnectionError("Kafka does not answer")] * 1_500, None])

    async def ensure(*_: object) -> None:
        if (error := next(answers)) is not None:
            raise error

    monkeypatch.setattr(supervisor, "ensure_topics", ensure)
    lines: list[str] = []
    assert virtually(made(lines)._outside_topics_made()) is None
    assert 5 <= len(lines) <= 6
    assert {"waiting for Kafka at kafka:9092: Kafka does not answer"} == {*lines}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "[Errno 111] Connect call failed"),
        (TimeoutError(), "no answer in time"),
        (KafkaConnectionError(), "KafkaConnectionError"),
    ],
)
def test_the_line_gives_the_reason_of_each_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    """Also if the error has no text, or begins with a number."""
    answers: Iterator[Exception | None] = iter([error, None])

    async def ensure(*_: object) -> None:
        if (failure := next(answers)) is not None:
            raise failure

    monkeypatch.setattr(supervisor, "ensure_topics", ensure)
    lines: list[str] = []
    virtually(made(lines)._outside_topics_made())
    assert [f"waiting for Kafka at kafka:9092: {reason}"] == lines


def test_a_wrong_external_kafka_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password, for instance: waiting does not help."""

    async def ensure(*_: object) -> None:
        raise SettingsError("refused")

    monkeypatch.setattr(supervisor, "ensure_topics", ensure)
    assert isinstance(virtually(made([])._outside_topics_made()), SettingsError)


@pytest.mark.parametrize("role", [Role.RETRIEVER, Role.TWILIO_ADAPTER, Role.GATEWAY])
def test_a_role_without_credentials_does_not_keep_up_from_being_ready(role: Role) -> None:
    """It names the missing settings, and the others work."""
    program = SimpleNamespace(role=role)
    assert made([], Settings(recovery=Recovery.ALL))._lacks_credentials(program)
    complete = Settings(twilio_account_sid="AC" + "1" * 32, twilio_auth_token="t" * 32)
    assert not made([], complete)._lacks_credentials(program)
