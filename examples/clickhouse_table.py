"""Load calls into a ClickHouse table, and count them by queue.

ClickHouse reads the records with its format `AvroConfluent` and the registry, `schema_registry` of
endpoints.json: it finds names and types of all columns there. This script runs it as a library
(chdb), which has no working Kafka engine, and so hands it the values of the topic in a file. A
server reads the topic by itself: examples/README.md has its statements.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chdb.session import Session
from confluent_kafka import Consumer, KafkaError, TopicPartition
from flexcapture_schemas import topics

TABLE = """
create table calls engine = ReplacingMergeTree(revision) order by task_sid as
select * from file('{file}', AvroConfluent)
settings format_avro_schema_registry_url = '{registry}'
"""
REPORT = """
select facts['queue'].value as queue, count() as calls, countIf(state = 'ended') as ended
from calls final group by queue order by queue
"""


def main() -> None:
    """Print the table's report: queue, calls, ended calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:9092")
    parser.add_argument("--prefix", default="", help="FLEXCAPTURE_TOPIC_PREFIX")
    parser.add_argument("--registry", required=True, help="schema_registry of endpoints.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, Session() as clickhouse:
        file = Path(directory) / "calls.bin"
        with file.open("wb") as out:
            out.writelines(values(arguments.bootstrap_servers, arguments.prefix))
        clickhouse.query("create database flexcapture")
        clickhouse.query("use flexcapture")
        clickhouse.query(TABLE.format(file=file, registry=arguments.registry))
        print(clickhouse.query(REPORT, "TSVWithNames"), end="")


def values(bootstrap_servers: str, prefix: str) -> Iterator[bytes]:
    """Yield the values on the topic, up to its present ends."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "clickhouse-table",  # no offsets are committed
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    name = prefix + topics.CALLS.name
    consumer.assign([TopicPartition(name, number) for number in range(topics.CALLS.partitions)])
    unread = topics.CALLS.partitions
    while unread:
        message = consumer.poll(1.0)
        if message is None:
            continue
        error, value = message.error(), message.value()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                raise RuntimeError(error)
            unread -= 1
        elif value is not None:
            yield value
    consumer.close()


if __name__ == "__main__":
    main()
