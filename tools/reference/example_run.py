"""`python -m tools.reference.example_run STATE_DIR`: take examples from a running `flexcapture up`.

For each record type, the record that fills most fields; for each type of CTI event, one event.
They are kept in `docs/reference/example-run.json`. Pages are generated from that file, so that the
same commit always gives the same pages. Examples of records and events that this run did not have
stay: some need another run, as with recordings of Twilio's.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from cli.tail.arguments import TailRequest
from cli.tail.decoding import Shown
from cli.tail.reader import read
from pipeline.runtime.settings import Settings
from schemas.codec import SCHEMA_IDS
from schemas.records import CtiEvent
from schemas.topics import ALL
from tools.reference.model import ROOT

FILE = ROOT / "docs" / "reference" / "example-run.json"
_TEXT_CHARACTERS = 200
_ITEMS = 3


async def examples_from(settings: Settings) -> dict[str, Any]:
    """Return the content of the file, from the records that exist now."""
    records: dict[str, Shown] = {}
    events: dict[str, CtiEvent] = {}
    asked = TailRequest(ALL)
    async for batch in read(settings, asked):
        for shown in batch:
            name = shown.type or ""
            if name in SCHEMA_IDS and _fills(shown) > _fills(records.get(name)):
                records[name] = shown
            if isinstance(shown.value, CtiEvent):
                events.setdefault(shown.value.type, shown.value)
    return {
        "records": {name: _example(records[name]) for name in SCHEMA_IDS if name in records},
        "events": {name: asdict(events[name]) for name in sorted(events)},
    }


def _fills(shown: Shown | None) -> int:
    return -1 if shown is None else len(set(paths(asdict(shown.value))))


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of the values that are neither null nor empty: `legs.facts.value`."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from paths(each, f"{path}.{name}")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for each in value:
            yield from paths(each, path)
    elif value not in (None, "", b""):
        yield path


def _example(shown: Shown) -> dict[str, Any]:
    return {
        "topic": shown.topic,
        "key": shown.key,
        "timestamp": shown.timestamp,
        "value": shortened(asdict(shown.value)),
    }


def shortened(value: Any) -> Any:
    """Return the value for JSON: long texts and lists cut, bytes in base64."""
    match value:
        case Mapping():
            return {name: shortened(each) for name, each in value.items()}
        case bytes():
            return shortened(base64.b64encode(value).decode())
        case str() if len(value) > _TEXT_CHARACTERS:
            return f"{value[:_TEXT_CHARACTERS]}..."
        case list() | tuple():
            return [shortened(each) for each in value[:_ITEMS]]
        case _:
            return value


@cache
def load() -> Mapping[str, Any]:
    """Return the content of the file."""
    found: Mapping[str, Any] = json.loads(FILE.read_text())
    return found


def completed(found: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the examples found, and those of `before` for which there are none."""
    records, events = ({**before[kind], **found[kind]} for kind in ("records", "events"))
    return {
        "records": {name: records[name] for name in SCHEMA_IDS if name in records},
        "events": {name: events[name] for name in sorted(events)},
    }


def main(state_dir: str) -> None:
    """Write the file."""
    endpoints = json.loads((Path(state_dir) / "endpoints.json").read_text())
    settings = Settings.model_validate({"kafka_bootstrap_servers": endpoints["kafka"]})
    found = completed(asyncio.run(examples_from(settings)), load())
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
