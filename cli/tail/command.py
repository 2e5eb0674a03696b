"""`flexcapture tail`: print the records of topics, decoded."""

import argparse
import asyncio
import signal

from aiokafka.errors import KafkaError

from cli.messages import FAILED, OK, WRONG, print_error
from cli.tail.arguments import TailRequest, WrongUsage, asked_of
from cli.tail.output import Write, close_quietly, output
from cli.tail.reader import read
from pipeline.error_text import error_text
from pipeline.runtime.settings import Settings


def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """Run the command. Return the exit status: 0, also if a signal ended it or the reader of the
    output is gone; 1 if Kafka cannot be read; 2 if there can be no such topic or period."""
    try:
        asked = asked_of(arguments, settings.topic_prefix)
    except WrongUsage as error:
        return print_error(str(error), WRONG)
    try:
        asyncio.run(_tail(settings, asked, output(in_json=arguments.json)))
    except BrokenPipeError:
        close_quietly()
    except (KafkaError, LookupError, TimeoutError, OSError) as error:
        return print_error(f"the topics cannot be read: {error_text(error)}", FAILED)
    return OK


async def _tail(settings: Settings, asked: TailRequest, write: Write) -> None:
    """Print until the end, or until SIGINT or SIGTERM."""
    work = asyncio.create_task(_print(settings, asked, write))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    await asyncio.wait([work])
    if not work.cancelled():
        work.result()  # raises its error


async def _print(settings: Settings, asked: TailRequest, write: Write) -> None:
    async for records in read(settings, asked):
        if records:
            write(records)
