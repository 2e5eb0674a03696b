"""A process that sends requests with the shared permits: `sender.py KAFKA PREFIX URL NAME N`."""

import asyncio
import sys

from pydantic import SecretStr

from agents.twilio_history.client import history_api
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.twilio.urls import API


async def main(kafka: str, prefix: str, url: str, name: str, count: int) -> None:
    settings = Settings(
        kafka_bootstrap_servers=kafka,
        topic_prefix=prefix,
        twilio_account_sid="AC" + "a" * 32,
        twilio_auth_token=SecretStr("token"),
        twilio_api_url=url,
    )
    async with history_api(settings, Health()) as api, asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(api.get("test", f"{API}/{name}/{number}"))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5], int(sys.argv[5])))  # type: ignore[call-arg, arg-type]
