"""A healthy installation, in which faults can be planted."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.twilio.doctor.command import diagnosed
from cli.twilio.target import target_of
from pipeline.runtime.settings import Settings, load
from simulator.twilio_rest import TwilioRest
from tests.integration.lone_gateway import CREDENTIALS

STREAM = "flex-events"


ANN = "ann@example.com"


def kinesis_client(url: str) -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client("kinesis", region_name="us-east-1", endpoint_url=url, **keys)


@dataclass
class Installation:
    """A healthy installation, in which faults can be planted. `environment`: its settings."""

    rest: TwilioRest
    kafka: Settings
    kinesis: str
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run `flexcapture twilio ...`: its status and output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cli.main", "twilio", *arguments),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def found(self) -> dict[str, str]:
        """The status of each check, by name."""
        with pytest.MonkeyPatch.context() as patched:
            for name, value in self.environment.items():
                patched.setenv(name, value)
            target = target_of(load(None), None, self.directory)
            return {result.name: result.status.value for result in await diagnosed(target)}

    async def found_by_command(self) -> dict[str, str]:
        """The same, by the command. The exit status fits, and no secret is shown."""
        status, output = await self.command("doctor", "--json")
        assert CREDENTIALS.auth_token not in output
        shown = output[output.index("{") :]
        checks = {check["name"]: check["status"] for check in json.loads(shown)["checks"]}
        assert (1 if "failure" in checks.values() else 0) == status, output
        return checks


Fault = Callable[[Installation], None]


def set_to(name: str, value: str) -> Fault:
    return lambda there: there.environment.__setitem__(f"FLEXCAPTURE_{name}", value)


def _without_sink(there: Installation) -> None:
    there.rest.administration.streams.subscriptions.clear()
    there.rest.administration.streams.sinks.clear()


def _failed_sink(there: Installation) -> None:
    next(iter(there.rest.administration.streams.sinks.values())).status = "failed"


def _missing_type(there: Installation) -> None:
    types = next(iter(there.rest.administration.streams.subscriptions.values())).types
    del types["com.twilio.taskrouter.reservation.accepted"]


def _alert(code: int) -> Fault:
    return lambda there: there.rest.administration.alert(code, "an alert", datetime.now(UTC))


def _denied(there: Installation) -> None:
    there.rest.administration.denied.add("monitor")


def records_wait(there: Installation) -> None:
    kinesis_client(there.kinesis).put_record(StreamName=STREAM, Data=b"{}", PartitionKey="any")


def _monitored(text: str) -> Fault:
    return lambda there: void((there.directory / "list").write_text(text))


def void(_: object) -> None:
    """Return None, of a value that does not matter."""


def _broken_database(there: Installation) -> None:
    path = there.directory / "text.db"
    path.write_text("some text that is long enough for a header, and no database")
    set_to("DATABASE_URL", f"sqlite:///{path}")(there)


def _missing_store(there: Installation) -> None:
    set_to("RECORDINGS_URL", (there.directory / "unmounted").as_uri())(there)


FAULTS: list[tuple[str, str, Fault]] = [
    ("account", "failure", set_to("TWILIO_AUTH_TOKEN", "another token")),
    ("api-rights", "failure", _denied),
    ("sink", "failure", _without_sink),
    ("sink", "failure", _failed_sink),
    ("subscription", "failure", _missing_type),
    ("event-alerts", "failure", _alert(91300)),
    ("media-alerts", "failure", _alert(31920)),
    ("kinesis-stream", "failure", set_to("KINESIS_STREAM", "another")),
    ("kinesis-lag", "failure", records_wait),
    ("gateway-dns", "failure", set_to("GATEWAY_PUBLIC_URL", "wss://nowhere.invalid/media")),
    ("load-balancer", "failure", set_to("GATEWAY_PUBLIC_URL", "ws://127.0.0.1:1/media")),
    ("signed-handshake", "failure", set_to("TICKET_SECRET", "a secret that no gateway has at all")),
    ("kafka", "failure", set_to("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")),
    ("topics", "failure", set_to("TOPIC_PREFIX", "another.")),
    ("database", "failure", _broken_database),
    ("recordings-store", "failure", _missing_store),
    ("monitored-list", "failure", _monitored("no such line")),
    ("list-entries", "warning", _monitored(f"{ANN}\nworker:Ben\njoe@example.com")),
    ("unlisted-workers", "warning", _monitored(ANN)),
]
