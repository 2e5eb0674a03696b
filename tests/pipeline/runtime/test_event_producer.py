"""Producers add the headers of CloudEvents to every record."""

import ast
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pipeline.runtime.event_producer import EventProducer
from pipeline.runtime.kafka import producer
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import Tick

ROOT = Path(__file__).parents[3]
PACKAGES = ("agents", "bridge", "gateway", "console", "pipeline", "infra", "cli")
TICK = encode(Tick(7))


@asynccontextmanager
async def _made(source: str) -> AsyncIterator[EventProducer]:
    """A producer that is not started."""
    made = producer(Settings(kafka_bootstrap_servers="127.0.0.1:9"), source=source)
    yield made
    await made.stop()


def _calls(path: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) in ("producer", "kafka.producer")]


def test_every_producer_names_its_source() -> None:
    """Each call of `producer` in the product has the role or command for `ce_source`."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    found = {path: calls for path in paths if (calls := _calls(path))}
    assert len(found) > 8
    for path, calls in found.items():
        for call in calls:
            assert "source" in [keyword.arg for keyword in call.keywords], path


async def test_a_record_has_headers_of_its_own_too() -> None:
    """They come first. A tombstone and a record of a changelog have only these."""
    own = [("a", b"b")]
    ours = ["ce_specversion", "ce_type", "content-type", "ce_source", "ce_id", "ce_time"]
    async with _made("tracker") as made:
        assert ["a", *ours] == [name for name, _ in made.headers_of("p.ticks", TICK, own)]
        assert own == made.headers_of("p.ticks", None, own)
        assert own == made.headers_of("p.tracker-table-changelog", TICK, own)
        assert [] == made.headers_of("p.ticks", b"not ours")


@pytest.mark.parametrize("source", ["tracker", "dead-letters"])
async def test_the_source_is_the_writer(source: str) -> None:
    """As it was named."""
    async with _made(source) as made:
        found = dict(made.headers_of("ticks", TICK))
    assert f"/flexcapture/{source}".encode() == found["ce_source"]
