"""Print each call when it has ended: a plain consumer with confluent-kafka and flexcapture-schemas.

A call may come again (delivery is at least once), so the line begins with what identifies it.
"""

import argparse
import json
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, Message
from flexcapture_schemas import Undecodable, decode, topics
from flexcapture_schemas.records import Call
from flexcapture_schemas.states import CallState


def main() -> None:
    """Read until interrupted, or with --exit until every partition's present end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:9092")
    parser.add_argument("--prefix", default="", help="FLEXCAPTURE_TOPIC_PREFIX")
    parser.add_argument("--group", default="ended-calls")
    parser.add_argument("--exit", action="store_true", help="stop at the present ends")
    arguments = parser.parse_args()
    consumer = Consumer(
        {
            "bootstrap.servers": arguments.bootstrap_servers,
            "group.id": arguments.group,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",  # the bridge writes in transactions
            "enable.auto.offset.store": False,  # an offset is stored once its call is printed
            "enable.partition.eof": True,
        }
    )
    consumer.subscribe([arguments.prefix + topics.CALLS.name])
    at_end: set[int] = set()
    try:
        while not (arguments.exit and len(at_end) == topics.CALLS.partitions):
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                    raise RuntimeError(error)
                at_end.add(message.partition() or 0)
                continue
            for line in ended(message):
                print(line, flush=True)
            consumer.store_offsets(message)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


def ended(message: Message) -> Iterator[str]:
    """Yield a line if the record is a call that has ended."""
    try:
        call = decode(message.value())
    except Undecodable as problem:  # a record of someone else, or of a newer flexcapture
        yield json.dumps({"partition": message.partition(), "problem": str(problem)})
        return
    if isinstance(call, Call) and call.state == CallState.ENDED:
        queue = call.facts.get("queue")
        yield json.dumps(
            {
                "task_sid": call.task_sid,
                "revision": call.revision,
                "direction": call.direction,
                "queue": None if queue is None else queue.value,
                "seconds": (call.latest_event_at - call.first_event_at) / 1000,
                "agents": sorted({c.extension for c in call.connections if c.extension}),
            }
        )


if __name__ == "__main__":
    main()
