"""`flexcapture twilio doctor`: fetch the facts, judge them, and print the results."""

import asyncio
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import stamina
import structlog

from cli.messages import FAILED, OK, print_message
from cli.twilio.doctor.asking import fetched
from cli.twilio.doctor.asking_account import account_facts
from cli.twilio.doctor.asking_gateway import gateway_facts
from cli.twilio.doctor.asking_kafka import has_checkpoints, kafka_facts
from cli.twilio.doctor.asking_kinesis import kinesis_facts
from cli.twilio.doctor.asking_storage import database_probe, list_facts, store_probe
from cli.twilio.doctor.checks import results
from cli.twilio.doctor.facts import AccountFacts, Facts, GatewayFacts, KafkaFacts, KinesisFacts
from cli.twilio.doctor.report import as_json, as_metrics, as_text, failed
from cli.twilio.doctor.results import CheckTrouble
from cli.twilio.doctor.saving import not_saved
from cli.twilio.target import Target
from pipeline.check_results import CheckResult, CheckRun
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.secret_settings import SECRETS
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.twilio_rest import account_of

ALL_S = 60.0
"""The longest time (s) for all facts of Twilio, of Kafka, or of the gateways and Kinesis."""


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """The destinations of the results. `metrics`: a file to write; `save`: whether to save them in
    the database (None: if there is one)."""

    in_json: bool = False
    metrics: Path | None = None
    save: bool | None = None


def run_doctor(target: Target, options: DoctorOptions) -> int:
    """Check everything and print the results. Return the exit status: 1 if a check failed, or if
    the results could not be written to the file in the options."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    stamina.instrumentation.set_on_retry_hooks(())
    logging.disable(logging.CRITICAL)  # the results say it
    try:
        found = asyncio.run(diagnosed(target))
    finally:
        logging.disable(logging.NOTSET)
    now = machine_clock()
    shown = json.dumps(as_json(found), indent=2) if options.in_json else as_text(found)
    print(shown, flush=True)
    is_written = options.metrics is None or _said(_written(options.metrics, as_metrics(found, now)))
    is_saved = True
    if options.save or (options.save is None and target.settings.database_url is not None):
        is_saved = _said(not_saved(target.settings, CheckRun(now, found)))
    # By default, only the check `database` reports problems with the database.
    is_done = is_written and (is_saved or options.save is None)
    return OK if is_done and not failed(found) else FAILED


def _said(why: str | None) -> bool:
    """Print why something failed. Return whether nothing did."""
    if why is not None:
        print_message(why)
    return why is None


async def diagnosed(target: Target) -> tuple[CheckResult, ...]:
    """Return the results of all checks, without any secret."""
    facts = await all_facts(target)
    return tuple(results(facts, _secrets(target.settings)))


async def all_facts(target: Target) -> Facts:
    """Return all facts. Each that cannot be fetched is `CheckTrouble`."""
    settings = target.settings
    account, kafka, database, store, monitored = await asyncio.gather(
        fetched(_account(settings), ALL_S),
        _kafka_and_what_needs_it(target),
        fetched(database_probe(settings)),
        fetched(store_probe(settings)),
        list_facts(settings),
    )
    kafka_found, kinesis, gateway = kafka
    return Facts(
        now=machine_clock(),
        account=account,
        kinesis=kinesis,
        gateway=gateway,
        kafka=kafka_found,
        database=database,
        store=store,
        monitored=monitored,
    )


async def _account(settings: Settings) -> AccountFacts | CheckTrouble:
    try:
        account_sid, credentials = account_of(settings)
    except SettingsError as error:
        return CheckTrouble(str(error))
    return await account_facts(settings, account_sid, credentials)


async def _kafka_and_what_needs_it(
    target: Target,
) -> tuple[KafkaFacts | CheckTrouble, KinesisFacts, GatewayFacts]:
    """Return the facts, those of Kafka first: tickets use its clock, and it has the bridge's
    checkpoints."""
    settings = target.settings
    kafka = await fetched(kafka_facts(settings), ALL_S)
    skew_ms = 0 if isinstance(kafka, CheckTrouble) else kafka.skew_ms or 0
    kinesis, gateway = await asyncio.gather(
        kinesis_facts(target.kinesis, settings, has_checkpoints=has_checkpoints(settings, kafka)),
        gateway_facts(settings, (machine_clock() - skew_ms) / 1000),
    )
    return kafka, kinesis, gateway


def _secrets(settings: Settings) -> list[str]:
    """Return all secrets in the settings, the passwords in URLs too."""
    found = [*settings.auth_tokens, *settings.ticket_secrets]
    for name in SECRETS:
        value = getattr(settings, name)
        if hasattr(value, "get_secret_value"):
            found.append(value.get_secret_value())
        elif value:
            found.append(str(value))
            credentials = str(value).partition("://")[2].rpartition("@")[0]
            found.append(credentials.partition(":")[2])
    return sorted(filter(None, found), key=len, reverse=True)


def _written(path: Path, text: str) -> str | None:
    """Write the file by renaming, so that it is whole at any time. Return why that failed."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text)
        partial.replace(path)
    except OSError as error:
        return f"{path} cannot be written: {error}"
    return None
