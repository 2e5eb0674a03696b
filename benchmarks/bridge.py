"""How many events the bridge copies, exactly once, from a reader in its own process."""

import asyncio

from benchmarks.local import Local, child
from benchmarks.rows import Row
from pipeline.runtime.kafka import ensure_topics
from schemas.topics import BRIDGE_CHECKPOINTS, CTI_EVENTS, DEAD_LETTERS


def run(here: Local, quick: bool) -> list[Row]:
    """Measure the bridge's shard carrier, and the same with a writer that only writes events."""
    events = 10_000 if quick else 40_000
    bare, product = (_rate(here, kind, events) for kind in ("bare", "product"))
    return [
        Row(
            "bridge: events carried exactly once",
            "events/CPU-s",
            product,
            bare,
            "same loop, no transactions, no checkpoints",
            least=10_000,
            ratio=0.6,
        )
    ]


def _rate(here: Local, kind: str, events: int) -> float:
    prefix = f"bridge-{kind}."
    topics = [CTI_EVENTS, DEAD_LETTERS, BRIDGE_CHECKPOINTS]
    asyncio.run(ensure_topics(here.settings(prefix), topics))
    arguments = {
        "servers": here.bootstrap_servers,
        "prefix": prefix,
        "events": events,
        "bare": kind == "bare",
    }
    with child(here, "carry", arguments, {}) as carrying:
        return float(carrying.line()["rate"])
