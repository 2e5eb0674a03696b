"""`flexcapture twilio check-call`: place one call on the account, stream it through the running
pipeline, and report which assumptions about Twilio hold."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import stamina
import structlog
from aiokafka.errors import KafkaError

from cli.check_call.account import LONGEST_CALL_S, CheckApi
from cli.check_call.course import CallFailed, CheckCall
from cli.check_call.findings import findings, needs_change, problem_of
from cli.check_call.observations import Observations
from cli.check_call.report import Result, as_json, as_text
from cli.check_call.tap import Tap, tapped
from cli.messages import FAILED, OK, WRONG, log_to_stderr, print_error, print_message
from pipeline.error_text import error_text
from pipeline.runtime.log_clock import LogClock, log_clock
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.check_tasks import NONCE_BYTES, check_task_sid

GATEWAY_S = 8.0
CLOCK_S = 5.0
MEANINGS: Mapping[int, str] = {
    20003: "the credentials are not those of the account",
    21210: "--from must be a number of the account, or one that is verified there",
    21211: "--to is not a number that can be called",
    21212: "--from is not a number",
    21214: "--to cannot be reached",
    21215: "allow calls to that country: Twilio Console, Voice, Geo permissions",
    21216: "the account may not call that number",
    21217: "--to is not a number that can be called",
    21219: "a trial account may call verified numbers only",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of the command line. `to`, `caller`: numbers; `caller` None: the configured
    one, or the account's first."""

    to: str
    caller: str | None
    is_agreed: bool
    in_json: bool


class CheckCallRefused(Exception):
    """The operator did not agree; `status` is the exit status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def run(settings: Settings, asked: Asked) -> int:
    """Run the command. Return the exit status: 0 if every assumption that the call shows holds, or
    differs without the need for a change; 1 if something failed or must be changed; 2 for wrong
    usage or settings."""
    # The standard output is for the result alone.
    structlog.reset_defaults()
    log_to_stderr()
    stamina.instrumentation.set_on_retry_hooks(())
    if not asked.is_agreed and not sys.stdin.isatty():
        return print_error(
            "there is no terminal to ask on: --yes places the call without asking", WRONG
        )
    try:
        result = asyncio.run(_interruptible(settings, asked))
    except CheckCallRefused as refused:
        return print_error(str(refused), refused.status)
    except LookupError as error:
        return print_error(str(error))
    except (KafkaError, OSError) as error:
        return print_error(f"Kafka cannot be used: {error_text(error)}")
    except TwilioError as error:
        return print_error(explained(error))
    except asyncio.CancelledError:
        return print_error("stopped; no test call runs any more")
    print(json.dumps(as_json(result), indent=2) if asked.in_json else as_text(result), flush=True)
    return OK if result.is_good else FAILED


async def _interruptible(settings: Settings, asked: Asked) -> Result:
    """Place the call, and let SIGTERM end it as SIGINT does."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, task.cancel)
    return await checked(settings, asked)


async def checked(settings: Settings, asked: Asked) -> Result:
    """Place the call and return the result. Raise `SettingsError`, `CheckCallRefused`,
    `LookupError`, `KafkaError` and `TwilioError` if none was placed."""
    account, credentials, url = _needed(settings)
    secret = settings.ticket_secrets[0]
    task_sid, seen = check_task_sid(os.urandom(NONCE_BYTES)), Observations()
    async with (
        log_clock(settings, Health()) as clock,
        tapped(settings, task_sid, seen) as tap,
        CheckApi(account, credentials, secret, settings.twilio_api_url, clock=clock.seconds) as api,
    ):
        await _ready(clock, tap)
        caller = await _caller(api, settings, asked)
        await _agree(asked, caller)
        call = CheckCall(api, tap, seen, task_sid, url, now=clock.now, say=print_message)
        problem = await _played(call, asked.to, caller) or problem_of(seen)
    found = findings(seen)
    return Result(asked.to, caller, call.call_sid, task_sid, problem, needs_change(found), found)


async def _played(call: CheckCall, to: str, caller: str) -> str | None:
    """Return why the call failed; None if it was played."""
    try:
        await call.run(to, caller)
    except CallFailed as failed:
        return str(failed)
    except TwilioError as error:
        return explained(error)
    return None


def _needed(settings: Settings) -> tuple[str, tuple[str, str], str]:
    account = settings.need("twilio_account_sid", "the account that places the call")
    credentials = settings.rest_credentials
    if credentials is None or not settings.ticket_secrets:
        raise SettingsError(
            "FLEXCAPTURE_TWILIO_AUTH_TOKEN is not set: it must be the one that the gateways have"
        )
    url = settings.need("gateway_public_url", "the URL at which Twilio reaches the gateway")
    return account, credentials, url


async def _ready(clock: LogClock, tap: Tap) -> None:
    """Return once the log's clock is known and a gateway has sent a sign of life. Raise
    `LookupError`."""
    try:
        async with asyncio.timeout(CLOCK_S):
            await clock.settled()
    except TimeoutError:
        raise LookupError("the log's clock cannot be measured") from None
    if not await tap.until(lambda: bool(tap.gateways), GATEWAY_S):
        raise LookupError("no gateway runs: start the pipeline first")


async def _caller(api: CheckApi, settings: Settings, asked: Asked) -> str:
    """Return the number to call from. Raise `LookupError` if there is none."""
    caller = asked.caller or settings.check_call_from
    if caller is not None:
        return caller
    try:
        numbers = await api.own_numbers()
    except TwilioError as error:
        why = f"the account's numbers cannot be listed, {explained(error)}"
        raise LookupError(f"{why}: give --from") from error
    if not numbers:
        raise LookupError("the account has no number that can call: give --from a verified one")
    return numbers[0]


async def _agree(asked: Asked, caller: str) -> None:
    """State the cost, and ask. Raise `CheckCallRefused`."""
    print_message(
        f"This places one call from {caller} to {asked.to}, of half a minute, at most "
        f"{LONGEST_CALL_S} s, and streams it with up to three media streams. Twilio charges the "
        "account for the call and for each media stream, by the minute (twilio.com/voice/pricing). "
        "Nothing of it is recorded."
    )
    if asked.is_agreed:
        return
    print("Place the call? [y/N] ", end="", file=sys.stderr, flush=True)
    if (await _line()).strip().lower() not in ("y", "yes"):
        raise CheckCallRefused("no call was placed", FAILED)


async def _line() -> str:
    """Return a line of the standard input. Signals are handled meanwhile."""
    loop, is_readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), is_readable.set)
    try:
        await is_readable.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()


def explained(error: TwilioError) -> str:
    """Return Twilio's refusal with its remedy."""
    known = MEANINGS.get(error.code or 0) or ("" if error.status else "check the network")
    return f"Twilio: {error}" + (f" ({known})" if known else "")
