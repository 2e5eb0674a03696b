"""Before the roles start, register the schemas in the configured registry, or return to the fixed
ids."""

import asyncio
from collections.abc import Callable

from pipeline.error_text import error_text
from pipeline.runtime.kafka_answers import is_passing
from pipeline.runtime.schema_ids import read_known
from pipeline.runtime.schema_registration import register_schemas, return_to_fixed_ids
from pipeline.runtime.settings import Settings
from schemas.registry.http import RegistryAway, without_credentials

WAIT_S = 60.0
"""How long (s) `up` waits for an answer from Kafka, or from a registry that it needs."""
_RETRY_S = 2.0


async def use_ids(settings: Settings, say: Callable[[str], None]) -> None:
    """Return once the topic `schema.ids` shows with which ids records must be written.

    A registry that does not answer is needed only for schemas without a known id. If Kafka does not
    answer, the request is repeated for a minute. Raise `RegistryError`, aiokafka's errors, and
    `TimeoutError`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_S
    while True:
        try:
            return await _use_ids(settings, say)
        except Exception as error:
            if isinstance(error, RegistryAway):
                why = str(error)
            elif is_passing(error):
                why = f"Kafka does not answer: {error_text(error)}"
            else:
                raise
            if loop.time() > deadline:
                raise
        say(f"waiting: {why}")
        await asyncio.sleep(_RETRY_S)


async def _use_ids(settings: Settings, say: Callable[[str], None]) -> None:
    url = settings.schema_registry_url
    if url is None:
        if await return_to_fixed_ids(settings):
            say("no schema registry is configured: records are written with the fixed ids again")
        return
    try:
        made = await register_schemas(settings, url)
    except RegistryAway as error:
        if not (await read_known(settings)).is_complete(without_credentials(url)):
            raise
        say(f"warning: {error}; the ids that it gave before are used")
        return
    if made is not None and made.added:
        say(f"registered {len(made.added)} versions of schemas in {made.record.registry}")
