"""The AWS side is created step by step, and only the difference is changed."""

import json
from typing import Any

import pytest

from cli.twilio.kinesis import KinesisAccess
from cli.twilio.setup.aws import create_role, create_stream, delete_role
from cli.twilio.setup.aws_side import RETENTION_HOURS, AwsSide, trust_policy, write_policy
from tests.cli.twilio.accounts import ROLE_ARN, STREAM_ARN

SIDE = AwsSide(STREAM_ARN, ROLE_ARN, "an-external-id", "arn:aws:iam::177261743968:root")
ACCESS = KinesisAccess("flex-events", "eu-west-1")
TAG = {"Key": "created-by", "Value": "flexcapture"}


class Absent(Exception):
    """It does not exist."""


class Kinesis:
    """boto3's client of Kinesis. `hours`: the retention of the stream; None: there is none."""

    class exceptions:  # noqa: N801 - boto3's name
        """The errors of the client."""

        ResourceNotFoundException = Absent

    def __init__(self, hours: int | None) -> None:
        self.hours = hours
        self.steps: list[str] = []

    def describe_stream_summary(self, **_: Any) -> Any:
        if self.hours is None:
            raise Absent
        return {"StreamDescriptionSummary": {"RetentionPeriodHours": self.hours}}

    def create_stream(self, **asked: Any) -> None:
        assert {"StreamMode": "ON_DEMAND"} == asked["StreamModeDetails"]
        self.hours = 24
        self.steps.append("create")

    def get_waiter(self, name: str) -> "Kinesis":
        assert "stream_exists" == name
        return self

    def wait(self, **_: Any) -> None:
        self.steps.append("wait")

    def increase_stream_retention_period(self, **asked: Any) -> None:
        self.hours = asked["RetentionPeriodHours"]
        self.steps.append("retention")


@pytest.mark.parametrize(
    ("hours", "is_dry_run", "steps", "labels"),
    [
        (None, False, ["create", "wait", "retention"], ["created", "set"]),
        (24, False, ["retention"], ["set"]),
        (RETENTION_HOURS, False, [], ["exists"]),
        (8_760, False, [], ["exists"]),
        (None, True, [], ["would create"]),
        (24, True, [], ["would set"]),
    ],
)
def test_a_stream_is_created_and_keeps_records_for_a_week(
    monkeypatch: pytest.MonkeyPatch,
    hours: int | None,
    is_dry_run: bool,
    steps: list[str],
    labels: list[str],
) -> None:
    """A longer retention is left alone. A trial changes nothing."""
    client, lines = Kinesis(hours), list[str]()
    monkeypatch.setattr(KinesisAccess, "client", lambda *_: client)
    create_stream(ACCESS, lines.append, is_dry_run=is_dry_run)
    assert (steps, labels) == (client.steps, [line.partition(":")[0] for line in lines])


class Iam:
    """boto3's client of IAM. `role`: None, or the role as it is described."""

    class exceptions:  # noqa: N801 - boto3's name
        """The errors of the client."""

        NoSuchEntityException = Absent

    def __init__(self, role: dict[str, Any] | None) -> None:
        self.role = role
        self.policies: dict[str, Any] = {"of-others": {}} if role else {}
        self.steps: list[str] = []

    def get_role(self, *, RoleName: str) -> Any:  # noqa: N803
        assert SIDE.role_name == RoleName
        if self.role is None:
            raise Absent
        return {"Role": self.role}

    def create_role(self, **asked: Any) -> None:
        document = json.loads(asked["AssumeRolePolicyDocument"])
        self.role = {"AssumeRolePolicyDocument": document, "Tags": asked["Tags"]}
        self.steps.append("create")

    def update_assume_role_policy(self, *, PolicyDocument: str, **_: Any) -> None:  # noqa: N803
        assert self.role is not None
        self.role["AssumeRolePolicyDocument"] = json.loads(PolicyDocument)
        self.steps.append("trust")

    def put_role_policy(self, *, PolicyName: str, PolicyDocument: str, **_: Any) -> None:  # noqa: N803
        self.policies[PolicyName] = json.loads(PolicyDocument)
        self.steps.append("policy")

    def list_role_policies(self, **_: Any) -> Any:
        return {"PolicyNames": list(self.policies)}

    def delete_role_policy(self, *, PolicyName: str, **_: Any) -> None:  # noqa: N803
        del self.policies[PolicyName]

    def delete_role(self, **_: Any) -> None:
        assert {} == self.policies, "AWS refuses to delete a role with policies"
        self.role = None
        self.steps.append("delete")


def role(trust: Any, *tags: Any) -> dict[str, Any]:
    """Return a role."""
    return {"AssumeRolePolicyDocument": trust, "Tags": list(tags)}


@pytest.mark.parametrize(
    ("found", "steps", "prefix"),
    [
        (None, ["create", "policy"], "created"),
        (role({"Version": "other"}), ["trust", "policy"], "corrected"),
        (role(trust_policy(SIDE)), ["policy"], "exists"),
    ],
)
def test_a_role_trusts_twilio_and_may_write(
    found: dict[str, Any] | None, steps: list[str], prefix: str
) -> None:
    """Its permissions are set in any case. A trial changes nothing."""
    iam, lines = Iam(found), list[str]()
    create_role(iam, SIDE, lines.append, is_dry_run=True)
    assert ([], True) == (iam.steps, lines[0].startswith(("would ", "exists")))
    create_role(iam, SIDE, lines.append, is_dry_run=False)
    assert (steps, True) == (iam.steps, lines[1].startswith(prefix))
    assert iam.role is not None
    assert trust_policy(SIDE) == iam.role["AssumeRolePolicyDocument"]
    assert write_policy(SIDE) in iam.policies.values()


@pytest.mark.parametrize(
    ("found", "is_deleted"), [(None, False), (role({}), False), (role({}, TAG), True)]
)
def test_only_a_role_that_setup_created_is_deleted(
    found: dict[str, Any] | None, is_deleted: bool
) -> None:
    """With all its policies. A trial only says so."""
    iam, lines = Iam(found), list[str]()
    delete_role(iam, SIDE, lines.append, is_dry_run=True)
    assert [] == iam.steps
    delete_role(iam, SIDE, lines.append, is_dry_run=False)
    assert (["delete"] if is_deleted else []) == iam.steps
    assert is_deleted == lines[1].startswith("deleted")
