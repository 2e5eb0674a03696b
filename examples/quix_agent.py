"""Count how often the recording of each call is started: an agent with Quix Streams.

It reads `stream.events`, keeps a count for each call in Quix's state store, and writes each new
count as JSON to a topic of its own, `recording.starts`. A call with many starts has lost its audio
again and again.
"""

import argparse
from typing import Any

from flexcapture_schemas import Undecodable, decode, topics
from flexcapture_schemas.records import RecordingDecided
from quixstreams import Application, State
from quixstreams.models import Deserializer, IgnoreMessage, SerializationContext


class RecordsOf(Deserializer):  # type: ignore[misc]
    """Decodes the records of one type, and passes over all others on the topic."""

    def __init__(self, record_type: type) -> None:
        super().__init__()
        self._ce_type = f"flexcapture.{record_type.__name__}".encode()

    def __call__(self, value: bytes, ctx: SerializationContext) -> Any:
        """Return the record. The header says its type, so that most need not be decoded; records
        of early releases have no header."""
        if dict(ctx.headers or ()).get("ce_type", self._ce_type) != self._ce_type:
            raise IgnoreMessage("a record of another type")
        try:
            return decode(value)
        except Undecodable as problem:
            raise IgnoreMessage(str(problem)) from problem


def is_start(record: Any) -> bool:
    """Whether the record decides to record. One without a header may be of another type."""
    return isinstance(record, RecordingDecided) and record.decision == "record"


def counted(decision: RecordingDecided, state: State) -> dict[str, Any]:
    """Return the call's count with this decision. Decisions of a call come in the order of time,
    and may come again: an earlier time, or the same, is not counted."""
    starts = state.get("starts", default=0)
    if decision.at > state.get("last_at", default=-1):
        starts += 1
        state.set("starts", starts)
        state.set("last_at", decision.at)
    return {"task_sid": decision.task_sid, "starts": starts}


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:9092")
    parser.add_argument("--prefix", default="", help="FLEXCAPTURE_TOPIC_PREFIX")
    parser.add_argument("--state-dir", default="quix-state")
    arguments = parser.parse_args()
    prefix = arguments.prefix
    app = Application(
        broker_address=arguments.bootstrap_servers,
        consumer_group=f"{prefix}recording-starts",
        state_dir=arguments.state_dir,
        auto_offset_reset="earliest",
        consumer_extra_config={"isolation.level": "read_committed"},
    )
    events = app.topic(
        prefix + topics.STREAM_EVENTS.name,
        key_deserializer="str",
        value_deserializer=RecordsOf(RecordingDecided),
    )
    starts = app.topic(f"{prefix}recording.starts", key_serializer="str", value_serializer="json")
    app.dataframe(events).filter(is_start).apply(counted, stateful=True).to_topic(starts)
    app.run()


if __name__ == "__main__":
    main()
