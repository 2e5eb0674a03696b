"""Keep the ids of schemas in the state directory, for a role that starts while Kafka is
unavailable."""

import json
import os
from pathlib import Path

import structlog

from pipeline.runtime.schema_ids import KnownIds, headers_of, record_of, value_of
from pipeline.runtime.settings import Settings
from schemas.codec import Undecodable

log = structlog.get_logger(__name__)


def save_ids(settings: Settings, known: KnownIds) -> None:
    """Keep the ids, if there is a state directory. A failure is logged."""
    if (path := _path(settings)) is None:
        return
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps([value_of(record).hex() for record in known.records]))
        new.replace(path)
    except OSError as error:
        log.warning("the ids of schemas cannot be kept", error=str(error))


def load_ids(settings: Settings) -> KnownIds:
    """Return the ids that were kept last; none if there are none, or they cannot be read."""
    known = KnownIds()
    path = _path(settings)
    if path is None or not path.exists():
        return known
    try:
        for value in json.loads(path.read_text()):
            known.take(record_of(bytes.fromhex(value), headers_of()))
    except (OSError, ValueError, TypeError, Undecodable) as error:
        log.warning("the kept ids of schemas cannot be read", error=str(error))
    return known


def _path(settings: Settings) -> Path | None:
    return settings.state_dir and settings.state_dir / f"{settings.topic_prefix}schema-ids"
