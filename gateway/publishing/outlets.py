"""The gateway's two ways to Kafka, and what its health check says of them."""

from typing import Generic, NamedTuple, TypeVar

from prometheus_client import Gauge

from gateway.publishing.publisher import Publisher
from pipeline.runtime.telemetry import Health
from schemas.topics import CALL_PARTITIONS

STALLED_S = 10

STALLED = Gauge(
    "flexcapture_gateway_stalled_partitions",
    "Partitions of media and stream.events that Kafka has not taken a record of for 10 s",
)

Outlet_co = TypeVar("Outlet_co", covariant=True)


class Outlets(NamedTuple, Generic[Outlet_co]):
    """The two ways to Kafka: audio may wait in the one for as long as Kafka takes; what tells of
    media streams and of the gateway's life must not wait behind it."""

    media: Outlet_co
    events: Outlet_co


def is_cut_off(outlets: Outlets[Publisher]) -> bool:
    """Return whether Kafka takes no audio: it has acknowledged nothing at all for a while, or not a
    batch although batches wait for half of the partitions."""
    media = outlets.media
    waiting = max(publisher.waiting_for() for publisher in outlets)
    if waiting > STALLED_S and min(each.silent_for() for each in outlets) > STALLED_S:
        return True
    return media.silent_for() > STALLED_S and len(media.stalled(STALLED_S)) * 2 >= CALL_PARTITIONS


def show_kafka(health: Health, outlets: Outlets[Publisher]) -> None:
    """Show what Kafka does not take. A gateway whose health is bad gets no media streams from the
    load balancer: single partitions are no reason, as they are the same for all gateways."""
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
            f"Kafka takes nothing on {names}{more}, for {longest:.0f} s: their calls wait in the"
            " buffer; have the partitions leaders, and enough replicas in sync?",
        )
    else:
        health.clear_warning("kafka-partitions")
    STALLED.set(len(stalled))
