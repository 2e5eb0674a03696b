"""The schemas as files."""

import json

import fastavro

from schemas.codec import SCHEMA_IDS, versions
from schemas.registry.export import INDEX, exported
from schemas.registry.subjects import served_subjects
from schemas.unions import UNION_VERSIONS


def test_every_schema_is_a_file() -> None:
    """Each file is a schema that fastavro can parse alone; each is in the index, under its id."""
    files = exported("p.")
    index = json.loads(files.pop(INDEX))
    assert files.keys() == {each["file"] for each in index["schemas"]}
    ids = {each["id"] for each in index["schemas"]}
    assert {number for name in SCHEMA_IDS for number in versions(name)} <= ids
    assert {union.schema_id for each in UNION_VERSIONS.values() for union in each} <= ids
    for text in files.values():
        fastavro.parse_schema(json.loads(text), {})


def test_the_index_has_the_subjects() -> None:
    """With the topic prefix, and their versions, ids, compatibility and references."""
    index = json.loads(exported("p.")[INDEX])
    subjects = {each["subject"]: each for each in index["subjects"]}
    ours = served_subjects("p.")
    assert ours.keys() == subjects.keys()
    for name, subject in ours.items():
        assert subject.compatibility == subjects[name]["compatibility"]
        assert [(v.number, v.schema_id, []) for v in subject.versions] == [
            (v["version"], v["id"], v["references"]) for v in subjects[name]["versions"]
        ]
    assert "union.media.1.avsc" == subjects["p.media-value"]["versions"][0]["file"]
