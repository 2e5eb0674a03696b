"""The same questions to the log, by decoding it, and to the lake, by DuckDB."""

from collections import defaultdict
from pathlib import Path

import duckdb
from aiokafka import TopicPartition

from pipeline.lake.layout import LANDED
from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import Call, CtiEvent
from tests.system.chaos_lander.judging import Answers, Landed, Place

_SQL = {
    "records by type": "select _topic, _type, count(*) from lake group by all",
    "versions by queue": """
        select facts['queue'].value, count(*), sum(epoch_ms(latest_event_at))::bigint, max(revision)
        from lake where _type = 'Call' group by all""",
    "events by partition": """
        select _partition, count(*), count(distinct event_id), min(event_id), max(event_id)
        from lake where _type = 'CtiEvent' group by all""",
}
_GROUPED_BY = {"records by type": 2, "versions by queue": 1, "events by partition": 1}


def in_lake(lake: Path) -> tuple[dict[Place, Landed], Answers]:
    """Return the partitions of the lake, and its answers."""
    with duckdb.connect() as database:
        _view(database, lake)
        places = database.sql(
            """select _topic, _partition, count(*), count(distinct _offset), min(_offset),
            max(_offset) from lake group by all"""
        ).fetchall()
        answers = {question: database.sql(sql).fetchall() for question, sql in _SQL.items()}
    return {(row[0], row[1]): Landed(*row[2:]) for row in places}, {
        question: {row[: _GROUPED_BY[question]]: row[_GROUPED_BY[question] :] for row in rows}
        for question, rows in answers.items()
    }


def landed(lake: Path) -> int:
    """Return how many records are in the lake."""
    if not any(lake.glob("topic=*/*/*.parquet")):
        return 0
    with duckdb.connect() as database:
        _view(database, lake)
        [row] = database.sql("select count(*) from lake").fetchall()
        return int(row[0])


def _view(database: duckdb.DuckDBPyConnection, lake: Path) -> None:
    files = f"{lake}/topic=*/*/*.parquet"
    database.sql(f"create view lake as select * from read_parquet('{files}', union_by_name=true)")


async def on_topics(settings: Settings) -> tuple[dict[Place, int], Answers]:
    """Read all landed topics. Return the end of each partition, and the answers."""
    tally = _Tally()
    async with consumer(settings) as reader:
        tps = [
            TopicPartition(settings.prefixed(topic.name), number)
            for topic in LANDED
            for number in range(topic.partitions)
        ]
        ends = await reader.end_offsets(tps)
        reader.assign(tps)
        await reader.seek_to_beginning(*tps)
        while any([await reader.position(tp) < end for tp, end in ends.items()]):
            for tp, records in (await reader.getmany(timeout_ms=500)).items():
                for record in records:
                    tally.add(tp.topic, tp.partition, record.value)
    return {(tp.topic, tp.partition): end for tp, end in ends.items()}, tally.answers()


class _Tally:
    """Adds up the answers, record by record."""

    def __init__(self) -> None:
        self._types: dict[tuple[object, ...], int] = defaultdict(int)
        self._queues: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
        self._events: dict[tuple[object, ...], list[str]] = defaultdict(list)

    def add(self, topic: str, partition: int, value: bytes | None) -> None:
        found = None if value is None else decode(value)
        self._types[topic, None if found is None else type(found).__name__] += 1
        match found:
            case Call():
                queue = self._queues[(found.facts["queue"].value,)]
                queue[:] = (
                    queue[0] + 1, queue[1] + found.latest_event_at, max(queue[2], found.revision)
                )  # fmt: skip
            case CtiEvent():
                self._events[(partition,)].append(found.event_id)

    def answers(self) -> Answers:
        return {
            "records by type": {group: (count,) for group, count in self._types.items()},
            "versions by queue": {group: tuple(each) for group, each in self._queues.items()},
            "events by partition": {
                group: (len(ids), len(set(ids)), min(ids), max(ids))
                for group, ids in self._events.items()
            },
        }
