"""The AWS side of the sink, as text."""

import json

import pytest

from cli.twilio import api as administrative_api
from cli.twilio.setup import steps
from cli.twilio.setup.aws_side import (
    AwsSide,
    all_text,
    cloudformation,
    default_role_arn,
    derived_external_id,
)
from tests.cli.twilio.accounts import ROLE_ARN, STREAM_ARN

SIDE = AwsSide(STREAM_ARN, ROLE_ARN, "an-external-id", "arn:aws:iam::177261743968:root")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administrative_api, "PAUSE_S", (0.01, 0.02))
    monkeypatch.setattr(steps, "POLL_S", 0.01)


def test_the_aws_side_as_text() -> None:
    """One external id and one role in all forms; CloudFormation is valid JSON."""
    assert ROLE_ARN == default_role_arn(STREAM_ARN)
    text = all_text(SIDE)
    assert 4 <= text.count("an-external-id")
    for word in ("sts:ExternalId", "kinesis:PutRecords", "aws_iam_role", "AWS::IAM::Role"):
        assert word in text
    template = json.loads(cloudformation(SIDE))
    (policy,) = template["Resources"]["EventStreamsRole"]["Properties"]["Policies"]
    assert STREAM_ARN == policy["PolicyDocument"]["Statement"][0]["Resource"]


def test_an_external_id_is_the_same_at_each_run() -> None:
    """It depends on secret, account and Kinesis stream."""
    one = derived_external_id("secret", "AC1", "events")
    assert one == derived_external_id("secret", "AC1", "events")
    others = {
        derived_external_id(*each) for each in (("s", "AC1", "events"), ("secret", "AC1", "e"))
    }
    assert one not in others
    assert 2 == len(others)
