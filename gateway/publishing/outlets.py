"""The gateway's two publishers, and their part of the health check."""

from typing import Generic, NamedTuple, TypeVar

from gateway.metrics import STALLED_PARTITIONS
from gateway.publishing.publisher import Publisher
from pipeline.runtime.telemetry import Health
from schemas.topics import CALL_PARTITIONS

STALLED_S = 10


Outlet_co = TypeVar("Outlet_co", covariant=True)


class Outlets(NamedTuple, Generic[Outlet_co]):
    """The two publishers. `media` has the audio, which may wait as long as Kafka needs. `events`
    has the records about media streams and the gateway itself, which must not wait behind audio."""

    media: Outlet_co
    events: Outlet_co


def is_cut_off(outlets: Outlets[Publisher]) -> bool:
    """Return whether Kafka takes no audio: for `STALLED_S` it has acknowledged nothing at all, or
    no audio although batches wait for at least half of the partitions."""
    media = outlets.media
    waiting = max(publisher.waiting_for() for publisher in outlets)
    if waiting > STALLED_S and min(each.silent_for() for each in outlets) > STALLED_S:
        return True
    return media.silent_for() > STALLED_S and len(media.stalled(STALLED_S)) * 2 >= CALL_PARTITIONS


def show_kafka(health: Health, outlets: Outlets[Publisher]) -> None:
    """Show in the health check which partitions Kafka accepts no records for. If health is bad, the
    load balancer sends no media streams to this gateway. Single partitions only cause a warning,
    because every gateway has the same trouble with them."""
    stalled = [found for publisher in outlets for found in publisher.stalled(STALLED_S)]
    if is_cut_off(outlets):
        waiting = max(publisher.waiting_for() for publisher in outlets)
        health.bad("kafka", f"nothing acknowledged for {waiting:.0f} s; buffering")
    else:
        health.good("kafka")
    if stalled:
        names = ", ".join(f"{topic} {partition}" for topic, partition, _ in sorted(stalled)[:10])
        more = f" and {len(stalled) - 10} more" if len(stalled) > 10 else ""
        longest = max(seconds for _, _, seconds in stalled)
        health.warn(
            "kafka-partitions",
            f"Kafka has taken nothing on {names}{more} for {longest:.0f} s: their calls wait in the"
            " buffer; check that the partitions have leaders and enough in-sync replicas",
        )
    else:
        health.clear_warning("kafka-partitions")
    STALLED_PARTITIONS.set(len(stalled))
