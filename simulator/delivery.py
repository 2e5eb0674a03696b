"""Deliver single events as Event Streams does: into the Kinesis stream that a sink names."""

import asyncio
import json
from typing import Any

import boto3
from botocore.config import Config

from simulator.admin_rest import Deliver
from simulator.events import attributes_text
from simulator.people import ANN, BEN, CLEO, SID, SUE, TESS, UGO, UMA
from simulator.script import Json


def into_kinesis(endpoint: str, region: str) -> Deliver:
    """Return a delivery into any Kinesis stream of an emulator. An event for a Kinesis stream that
    does not exist is lost, as Twilio's is after some hours."""

    def put(configuration: Json, event: Json) -> None:
        client: Any = boto3.client(
            "kinesis",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="simulator",
            aws_secret_access_key="simulator",  # noqa: S106
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )
        name = str(configuration.get("arn", "")).rpartition("/")[2]
        try:
            client.put_record(StreamName=name, Data=json.dumps(event).encode(), PartitionKey="any")
        except client.exceptions.ResourceNotFoundException:
            return
        finally:
            client.close()

    async def deliver(configuration: Json, event: Json) -> None:
        await asyncio.to_thread(put, configuration, event)

    return deliver


def workers_of_people() -> list[tuple[str, str]]:
    """Return the workers of the simulated contact center: friendly name and attributes."""
    people = (ANN, BEN, CLEO, UMA, UGO, SUE, TESS, SID)
    return [
        (
            agent.name,
            attributes_text(
                {
                    "email": agent.email,
                    "contact_uri": agent.contact_uri,
                    "full_name": agent.name,
                    "team_name": agent.team,
                }
            ),
        )
        for agent in people
    ]
