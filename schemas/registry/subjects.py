"""The subjects of the bundled schemas. Pure.

Subjects follow the TopicRecordNameStrategy, `<topic>-flexcapture.<Record>`, because a topic may
have several record types. A topic with only one has also the subject `<topic>-value`
(TopicNameStrategy), which tools look for first. The subject of a record that is on no topic, only
in tables, is `flexcapture.<Record>`. A subject has the versions of its record type. The ids are
always those of `schemas.codec`.
"""

from schemas.codec import SCHEMA_IDS
from schemas.topics import ALL

NAMESPACE = "flexcapture"


def subjects(topic_prefix: str) -> dict[str, str]:
    """Return the name of the record type of each subject."""
    found: dict[str, str] = {}
    for topic in ALL:
        names = [name for name in topic.records if name in SCHEMA_IDS]
        for name in names:
            found[f"{topic_prefix}{topic.name}-{NAMESPACE}.{name}"] = name
        if len(topic.records) == 1 and names:
            found[f"{topic_prefix}{topic.name}-value"] = names[0]
    on_topics = set(found.values())
    tables = {f"{topic_prefix}{NAMESPACE}.{n}": n for n in SCHEMA_IDS if n not in on_topics}
    return found | tables


def served_subjects(topic_prefix: str) -> dict[str, str]:
    """Return the subjects of the built-in registry: `subjects`, and `flexcapture.<Record>` without
    a prefix for each record type (RecordNameStrategy)."""
    return subjects(topic_prefix) | {f"{NAMESPACE}.{name}": name for name in SCHEMA_IDS}
