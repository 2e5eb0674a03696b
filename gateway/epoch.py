"""A gateway's epoch: it counts the starts of a gateway process. Media streams that an earlier
process of the same name left open can thus be recognized as dead.

An epoch only grows. It is reserved in the state directory. Without a reservation it is higher than
every epoch of the instance in Kafka. It never depends on the machine's clock alone.
"""

import asyncio
from pathlib import Path

from gateway.epochs_in_log import latest_epoch
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings
from schemas.records import GatewayStarted

KAFKA_S = 5.0
"""How long a gateway with a reserved epoch waits for Kafka before it starts without it."""


class InstanceInUse(RuntimeError):
    """Another process uses this gateway's instance name. The text says what to do."""


def in_use(started: GatewayStarted, newer_epoch: int) -> InstanceInUse:
    """Return the error for a gateway that ends because a newer epoch of its name was announced."""
    return InstanceInUse(
        f"another gateway named {started.gateway} started later (its epoch is {newer_epoch}, this "
        f"one's {started.epoch}), so this one ends: give each its own FLEXCAPTURE_INSTANCE"
    )


def next_epoch(log_time: int | None, *known: int | None) -> int:
    """Return the log time (ms; None if not known), or more if a known epoch is not below it."""
    return max([log_time or 0, *(epoch + 1 for epoch in known if epoch is not None)])


def is_reserved(directory: Path | None, instance: str) -> bool:
    """Return whether an epoch is reserved in the state directory. The next epoch can then be chosen
    without Kafka."""
    return directory is not None and _read(_path(directory, instance)) is not None


async def begin_epoch(
    settings: Settings,
    directory: Path | None,
    instance: str,
    clock: LogClock,
    stop: asyncio.Event,
) -> int | None:
    """Return this process's epoch once it is certain to be new, or None if `stop` is set first.
    While Kafka is away, only a reservation in `directory` makes it certain."""
    path = directory and _path(directory, instance)
    reserved = None if path is None else _read(path)
    if reserved is None:
        await clock.settled(stop)
        if stop.is_set():
            return None
        known = await latest_epoch(settings, instance, clock.now(), stop)
    else:
        await _settled_within(KAFKA_S, clock, stop)
        known = None
    epoch = next_epoch(clock.now() if clock.is_settled.is_set() else None, reserved, known)
    if path is not None:
        _reserve(path, epoch)
    return epoch


async def _settled_within(seconds: float, clock: LogClock, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await clock.settled(stop)
    except TimeoutError:
        pass


def _path(directory: Path, instance: str) -> Path:
    return directory / f"{instance}.epoch"


def _reserve(path: Path, epoch: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(f"{epoch}\n")
    new.replace(path)


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
