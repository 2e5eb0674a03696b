"""`flexcapture twilio doctor`: facts are fetched, judged and printed. Saving: test_saving.py."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from pydantic import SecretStr

from cli.twilio.doctor import command
from cli.twilio.doctor.command import DoctorOptions, all_facts, diagnosed, run_doctor
from cli.twilio.doctor.facts import AccountFacts, GatewayFacts, KafkaFacts, KinesisFacts, ListFacts
from cli.twilio.doctor.results import CheckTrouble
from cli.twilio.kinesis import KinesisAccess
from cli.twilio.target import Target
from pipeline.check_results import CheckResult, CheckStatus
from pipeline.runtime.settings import Settings
from tests.virtual_time import virtually

NOW = 1_800_000_000_000
ACCOUNT = "AC" + "0" * 32
SETTINGS = Settings(
    twilio_account_sid=ACCOUNT,
    twilio_auth_token=SecretStr("first-token,second-token"),
    database_url="postgresql://user:hunter22@db.internal/x",
)
GOOD = CheckResult("account", CheckStatus.OK, "fine", "")
BAD = CheckResult("kafka", CheckStatus.FAILURE, "away", "start it")


def target(settings: Settings = SETTINGS) -> Target:
    """Return an installation."""
    return Target(settings, KinesisAccess("flex-events", "eu-west-1"))


class Answers:
    """The answers of all surroundings. `seen`: the arguments of the questions."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.account: Any = AccountFacts()
        self.kafka: Any = KafkaFacts(skew_ms=4_000)
        self.database: Any = "postgresql"
        self.seen: dict[str, Any] = {}
        patch.setattr(command, "machine_clock", lambda: NOW)
        for name in ("account_facts", "kafka_facts", "kinesis_facts", "gateway_facts",
                     "database_probe", "store_probe", "list_facts"):  # fmt: skip
            patch.setattr(command, name, getattr(self, f"_{name}"))

    async def _account_facts(self, _: Settings, sid: str, credentials: Any) -> Any:
        self.seen["account"] = sid, credentials
        return await self._given(self.account)

    async def _kafka_facts(self, _: Settings) -> Any:
        return await self._given(self.kafka)

    async def _kinesis_facts(self, *_: Any, has_checkpoints: bool) -> KinesisFacts:
        self.seen["has_checkpoints"] = has_checkpoints
        return KinesisFacts("flex-events")

    async def _gateway_facts(self, _: Settings, now: float) -> GatewayFacts:
        self.seen["ticket time"] = now
        return GatewayFacts()

    async def _database_probe(self, _: Settings) -> Any:
        return await self._given(self.database)

    async def _store_probe(self, _: Settings) -> str:
        return "s3"

    async def _list_facts(self, _: Settings) -> ListFacts:
        return ListFacts("/l", ("*",))

    @staticmethod
    async def _given(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_the_tickets_have_the_time_of_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways check them with that clock. If it is not known, it is this machine's."""
    answers = Answers(monkeypatch)
    found = virtually(all_facts(target()))
    assert (NOW, answers.kafka, "postgresql", "s3") == (
        found.now, found.kafka, found.database, found.store,
    )  # fmt: skip
    assert (NOW / 1_000 - 4, True) == (answers.seen["ticket time"], answers.seen["has_checkpoints"])
    answers.kafka = KafkaConnectionError("away")
    found = virtually(all_facts(target()))
    assert isinstance(found.kafka, CheckTrouble)
    assert (NOW / 1_000, False) == (answers.seen["ticket time"], answers.seen["has_checkpoints"])


def test_a_fact_that_cannot_be_fetched_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a trouble of its own."""
    answers = Answers(monkeypatch)
    answers.account, answers.database = OSError("no route"), ValueError("x")
    found = virtually(all_facts(target()))
    assert CheckTrouble("OSError: no route") == found.account
    assert CheckTrouble("ValueError: x") == found.database
    assert "s3" == found.store


def test_the_account_is_asked_with_the_configured_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without them the missing setting is the fact."""
    answers = Answers(monkeypatch)
    virtually(all_facts(target()))
    assert (ACCOUNT, (ACCOUNT, "first-token")) == answers.seen["account"]
    found = virtually(all_facts(target(Settings())))
    assert isinstance(found.account, CheckTrouble)
    assert "FLEXCAPTURE_TWILIO_ACCOUNT_SID" in found.account.why


def test_no_result_has_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each token, and the password in a URL."""
    answers = Answers(monkeypatch)
    text = "first-token second-token postgresql://user:hunter22@db.internal/x hunter22"
    answers.database = ValueError(text)
    found = virtually(diagnosed(target()))
    [shown] = [each.detail for each in found if each.name == "database"]
    assert not [word for word in ("first-token", "second-token", "hunter22") if word in shown]
    assert "***" in shown


def let(patch: pytest.MonkeyPatch, *results: CheckResult) -> None:
    """Let the checks have these results."""

    async def found(_: Target) -> tuple[CheckResult, ...]:
        await asyncio.sleep(0)
        return results

    patch.setattr(command, "diagnosed", found)


@pytest.mark.parametrize(("results", "status"), [((GOOD,), 0), ((GOOD, BAD), 1)])
def test_a_failure_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    results: tuple[CheckResult, ...],
    status: int,
) -> None:
    """The results are printed as text or as JSON."""
    let(monkeypatch, *results)
    plain = target(Settings())
    assert status == run_doctor(plain, DoctorOptions())
    assert "account" in capsys.readouterr().out
    assert status == run_doctor(plain, DoctorOptions(in_json=True))
    shown = json.loads(capsys.readouterr().out)["checks"]
    assert [each.name for each in results] == [each["name"] for each in shown]


def test_metrics_are_written_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A file that cannot be written is a failure, with the reason."""
    let(monkeypatch, GOOD)
    path = tmp_path / "doctor.prom"
    assert 0 == run_doctor(target(Settings()), DoctorOptions(metrics=path))
    assert "flexcapture_" in path.read_text()
    assert [path] == list(tmp_path.iterdir())
    absent = tmp_path / "absent" / "doctor.prom"
    assert 1 == run_doctor(target(Settings()), DoctorOptions(metrics=absent))
    assert f"{absent} cannot be written" in capsys.readouterr().err
