"""`flexcapture twilio setup` and `flexcapture twilio teardown`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import stamina
from botocore.exceptions import BotoCoreError, ClientError

from bridge.unavailable import KinesisUnavailable
from cli.messages import OK, print_error
from cli.twilio.api import AdminApi
from cli.twilio.kinesis import KinesisAccess, SinkTestReader, described, in_thread
from cli.twilio.setup import aws
from cli.twilio.setup.aws_side import (
    AwsSide,
    all_text,
    default_role_arn,
    derived_external_id,
    unknown_stream_arn,
)
from cli.twilio.setup.by_hand import by_hand
from cli.twilio.setup.steps import SetupFailed, Steps, existing_sink, tear_down
from cli.twilio.sinks import SinkRequests
from cli.twilio.target import Target
from pipeline.runtime.settings import Settings
from pipeline.runtime.twilio_http import TwilioError
from pipeline.runtime.twilio_rest import account_of
from pipeline.twilio.event_streams import EventSink


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """The arguments of the command line. `with_aws`: create or remove the AWS side too."""

    is_dry_run: bool = False
    with_aws: bool = False
    is_agreed: bool = True


def run_setup(target: Target, asked: SetupRequest) -> int:
    """Create the missing parts. Return the exit status: 0 if all is right, 1 if a step failed; run
    it again then. Raise `SettingsError`."""
    return _run(lambda: set_up(target, asked))


def run_teardown(target: Target, asked: SetupRequest) -> int:
    """Remove the parts that `setup` created. Return the exit status as `run_setup` does. Raise
    `SettingsError`."""
    if not asked.is_agreed and not asked.is_dry_run and not _agrees():
        return print_error("nothing was removed")
    return _run(lambda: remove(target, asked))


async def set_up(target: Target, asked: SetupRequest) -> None:
    """Create or correct the sink and the subscription, and print the remaining steps. Raise
    `TwilioError`, `SetupFailed` and `KinesisUnavailable`."""
    account, credentials = account_of(target.settings)
    async with AdminApi(account, credentials, target.settings.twilio_api_url) as api:
        requests = SinkRequests(api)
        sinks = await requests.sinks()
        if asked.with_aws:
            await in_thread(
                lambda: aws.create_stream(target.kinesis, _say, is_dry_run=asked.is_dry_run)
            )
        side, trouble = await _side(target, account, credentials, sinks)
        sink = existing_sink(sinks, side)
        _check_role(target.settings, sink)
        if asked.with_aws:
            await _create_role(target.kinesis, side, is_dry_run=asked.is_dry_run)
        elif sink is None or not sink.is_active or asked.is_dry_run:
            _say(all_text(side))
        if trouble is not None and not asked.is_dry_run:
            raise trouble
        await Steps(
            requests, side, SinkTestReader(target.kinesis), _say, is_dry_run=asked.is_dry_run
        ).run(sink)
    _say("\n" + by_hand(target.settings.gateway_public_url))


async def remove(target: Target, asked: SetupRequest) -> None:
    """Delete subscription, sink and, with AWS, the role. Raise the errors of `set_up`."""
    account, credentials = account_of(target.settings)
    async with AdminApi(account, credentials, target.settings.twilio_api_url) as api:
        requests = SinkRequests(api)
        side, _ = await _side(target, account, credentials, await requests.sinks())
        await tear_down(requests, side, _say, is_dry_run=asked.is_dry_run)
    if asked.with_aws:
        await in_thread(
            lambda: aws.delete_role(
                target.kinesis.client("iam"), side, _say, is_dry_run=asked.is_dry_run
            )
        )


async def _side(
    target: Target, account: str, credentials: tuple[str, str], sinks: list[EventSink]
) -> tuple[AwsSide, KinesisUnavailable | None]:
    """Return the AWS side, and, if the Kinesis stream cannot be described, the reason."""
    settings, name, trouble = target.settings, target.kinesis.kinesis_stream, None
    try:
        arn = (await described(target.kinesis)).arn
    except KinesisUnavailable as error:
        arn, trouble = unknown_stream_arn(target.kinesis.region, name), error
    secret = next(iter(settings.ticket_secrets), credentials[1])
    known = AwsSide(
        arn,
        settings.event_streams_role_arn or default_role_arn(arn),
        settings.event_streams_external_id or derived_external_id(secret, account, name),
        settings.event_streams_principal,
    )
    sink = existing_sink(sinks, known)
    if sink is None:
        return known, trouble
    external_id = settings.event_streams_external_id or sink.external_id or known.external_id
    role_arn = settings.event_streams_role_arn or sink.role_arn or known.role_arn
    return AwsSide(sink.arn or arn, role_arn, external_id, known.principal), trouble


def _check_role(settings: Settings, sink: EventSink | None) -> None:
    """Raise `SetupFailed` if the existing sink has another role than the configured one."""
    role_arn = settings.event_streams_role_arn
    if sink is not None and role_arn and sink.role_arn and sink.role_arn != role_arn:
        raise SetupFailed(
            f"sink {sink.sid} has the role {sink.role_arn}, not FLEXCAPTURE_EVENT_STREAMS_ROLE_ARN "
            f"({role_arn}), and Twilio cannot change it: run `flexcapture twilio teardown` first"
        )


async def _create_role(access: KinesisAccess, side: AwsSide, *, is_dry_run: bool) -> None:
    if not side.is_known and not is_dry_run:
        return  # the Kinesis stream is out of reach, which is reported
    await in_thread(
        lambda: aws.create_role(access.client("iam"), side, _say, is_dry_run=is_dry_run)
    )


def _run(work: Callable[[], Awaitable[None]]) -> int:
    stamina.instrumentation.set_on_retry_hooks(())

    async def run() -> None:
        await work()

    try:
        asyncio.run(run())
    except TwilioError as error:
        return print_error(f"Twilio: {error}{_meaning(error)}")
    except SetupFailed as error:
        return print_error(str(error))
    except KinesisUnavailable as error:
        return print_error(f"AWS: {error}. This command can be run again")
    except (ClientError, BotoCoreError) as error:
        return print_error(f"AWS: {error}. This command can be run again")
    return OK


def _meaning(error: TwilioError) -> str:
    if error.status in (401, 403):
        return " (the credentials are not those of the account, or lack the rights for it)"
    return "" if error.status else " (check the network, then run this command again)"


def _agrees() -> bool:
    if not sys.stdin.isatty():
        return True
    print("Without the sink no event arrives, and nothing is recorded. Remove it? [y/N] ", end="")
    return input().strip().lower() in ("y", "yes")


def _say(line: str) -> None:
    print(line, flush=True)
