"""The subjects of topics."""

import pytest
from starlette.testclient import TestClient

from schemas import topics
from schemas.codec import SCHEMA_IDS
from schemas.registry.app import app
from schemas.registry.subjects import served_subjects


@pytest.fixture
def client() -> TestClient:
    """Return a client of the registry for topics with the prefix `p.`."""
    return TestClient(app("p."))


def test_each_topic_has_its_subjects(client: TestClient) -> None:
    """Every topic's records are found by topic, by topic and record, and by the record's name."""
    subjects = client.get("/subjects").json()
    for topic in topics.ALL:
        for name in topic.records:
            assert f"p.{topic.name}-flexcapture.{name}" in subjects
        assert bool(topic.records) == (f"p.{topic.name}-value" in subjects)
    assert {f"flexcapture.{name}" for name in SCHEMA_IDS} < set(subjects)
    for subject in subjects:
        expected = [version.number for version in served_subjects("p.")[subject].versions]
        assert expected == client.get(f"/subjects/{subject}/versions").json()


def test_all_schemas_are_listed(client: TestClient) -> None:
    """`/schemas` has every version of every subject, or the latest of each."""
    every = client.get("/schemas").json()
    subjects = served_subjects("p.")
    assert sum(len(subject.versions) for subject in subjects.values()) == len(every)
    latest = client.get("/schemas?latestOnly=true&subjectPrefix=:*:").json()
    expected = [subjects[each["subject"]].versions[-1].schema_id for each in latest]
    assert expected == [each["id"] for each in latest]
    assert sorted(subjects) == [each["subject"] for each in latest]
