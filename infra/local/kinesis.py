"""A local Kinesis for one machine: moto's server, and the stream in it.

moto keeps everything in memory, so after a restart the stream is missing. It is created at each
start, but only in this emulator, never in a configured Kinesis.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from threading import RLock
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

SHARDS = 2
ACCESS_KEY = "emulator"  # any key works; real credentials must not reach the emulator
SHARD_METHODS = ("put_record", "get_records", "get_sequence_number_at", "to_json")
_CLIENT = {"connect_timeout": 2, "read_timeout": 10, "retries": {"total_max_attempts": 1}}


@dataclass(frozen=True, slots=True)
class LocalKinesis:
    """An emulator on 127.0.0.1, and its Kinesis stream."""

    port: int
    region: str
    kinesis_stream: str

    @property
    def endpoint(self) -> str:
        """The endpoint's URL."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command that runs the emulator until SIGTERM."""
        return [sys.executable, "-m", "infra.local.kinesis", str(self.port)]

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which boto3 uses the emulator."""
        return {
            "AWS_ENDPOINT_URL_KINESIS": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        }

    def client(self, **config: Any) -> Any:
        """Return boto3's client of the emulator, without retries. `config`: arguments of botocore's
        `Config`."""
        return boto3.client(
            "kinesis",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=ACCESS_KEY,
            config=Config(**{**_CLIENT, **config}),
        )

    async def make_stream(self, shards: int = SHARDS) -> None:
        """Return once the emulator answers and has the Kinesis stream; retry until then."""
        while True:
            try:
                await asyncio.to_thread(self._make_stream, shards)
            except (BotoCoreError, ClientError, OSError):
                await asyncio.sleep(0.1)
            else:
                return

    def _make_stream(self, shards: int) -> None:
        client = self.client()
        try:
            client.create_stream(StreamName=self.kinesis_stream, ShardCount=shards)
        except client.exceptions.ResourceInUseException:
            return
        finally:
            client.close()


def make_shards_thread_safe() -> None:
    """Let one thread at a time use moto's shards.

    moto serves each connection in a thread. Two threads that put a record into one shard at once
    can give both the same sequence number: both puts succeed, and one record is lost.
    """
    from moto.kinesis.models import Shard  # noqa: PLC0415

    lock = RLock()

    def locked(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*arguments: Any, **named: Any) -> Any:
            with lock:
                return method(*arguments, **named)

        return call

    for name in SHARD_METHODS:
        setattr(Shard, name, locked(getattr(Shard, name)))


def main(arguments: list[str]) -> None:
    """Serve the emulator on the port `arguments[0]`."""
    # Imported here only: the image runs no emulator and does not contain moto.
    import moto.server  # noqa: PLC0415
    from werkzeug.serving import WSGIRequestHandler  # noqa: PLC0415

    # Otherwise it would log a line for each request and fill the disk.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    # Keep connections open, as Kinesis does: a new one, with its thread, costs 2 ms a request.
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    WSGIRequestHandler.disable_nagle_algorithm = True
    make_shards_thread_safe()
    moto.server.main(["-H", "127.0.0.1", "-p", arguments[0]])


if __name__ == "__main__":
    main(sys.argv[1:])
