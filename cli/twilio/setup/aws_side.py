"""The AWS side of the sink as values and ready text: IAM policies, Terraform, CloudFormation.
Pure.

Twilio assumes a role of your AWS account to write to the Kinesis stream. The external id in the
role's trust policy is a value that only this Twilio account's sink presents.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLE_NAME = "flexcapture-event-streams"
POLICY_NAME = "flexcapture-put-events"
RETENTION_HOURS = 168
_UNKNOWN_ACCOUNT = "YOUR_AWS_ACCOUNT_ID"
_PURPOSE = b"flexcapture: external id of the Event Streams sink, version 1"


@dataclass(frozen=True, slots=True)
class AwsSide:
    """The names on AWS's side. `principal`: the AWS account by which Twilio assumes the role."""

    stream_arn: str
    role_arn: str
    external_id: str
    principal: str

    @property
    def kinesis_stream(self) -> str:
        """The name of the Kinesis stream."""
        return self.stream_arn.rpartition("/")[2]

    @property
    def role_name(self) -> str:
        """The name of the role, without its path."""
        return self.role_arn.rpartition("/")[2]

    @property
    def is_known(self) -> bool:
        """Whether the AWS account is known."""
        return _UNKNOWN_ACCOUNT not in self.stream_arn + self.role_arn


def unknown_stream_arn(region: str, kinesis_stream: str) -> str:
    """Return the ARN of a Kinesis stream of an unknown AWS account, for texts."""
    return f"arn:aws:kinesis:{region}:{_UNKNOWN_ACCOUNT}:stream/{kinesis_stream}"


def default_role_arn(stream_arn: str) -> str:
    """Return the ARN of the role that the texts create, in the account of the Kinesis stream."""
    _, partition, _, _, account, *_ = stream_arn.split(":")
    return f"arn:{partition}:iam::{account}:role/{ROLE_NAME}"


def derived_external_id(secret: str, account_sid: str, kinesis_stream: str) -> str:
    """Return an external id that cannot be guessed, and that is the same in each run with the same
    secret."""
    text = _PURPOSE + f" {account_sid} {kinesis_stream}".encode()
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()[:32]


def trust_policy(side: AwsSide) -> dict[str, Any]:
    """Return the trust policy of the role that Twilio assumes."""
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"AWS": side.principal},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": side.external_id}},
        }
    )


def write_policy(side: AwsSide) -> dict[str, Any]:
    """Return the permissions of the role that Twilio assumes. `kinesis:DescribeLimits` exists for
    all Kinesis streams only."""
    actions = ["kinesis:PutRecord", "kinesis:PutRecords", "kinesis:ListShards"]
    return _policy(
        {"Effect": "Allow", "Action": actions, "Resource": side.stream_arn},
        {"Effect": "Allow", "Action": "kinesis:DescribeLimits", "Resource": "*"},
    )


def read_policy(side: AwsSide) -> dict[str, Any]:
    """Return the permissions of the bridge."""
    names = ("DescribeStreamSummary", "ListShards", "GetShardIterator", "GetRecords")
    actions = [f"kinesis:{name}" for name in names]
    return _policy({"Effect": "Allow", "Action": actions, "Resource": side.stream_arn})


def _policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def policies_text(side: AwsSide) -> str:
    """Return the three IAM policies."""
    parts = (
        (f"Trust policy of the role {side.role_name}, which Twilio assumes", trust_policy(side)),
        (f"Permissions of the role {side.role_name}", write_policy(side)),
        ("Permissions of the bridge, on its own role or user", read_policy(side)),
    )
    return "\n\n".join(f"{title}:\n{json.dumps(policy, indent=2)}" for title, policy in parts)


def terraform(side: AwsSide) -> str:
    """Return Terraform for the Kinesis stream and the role."""
    return f"""\
resource "aws_kinesis_stream" "events" {{
  name             = "{side.kinesis_stream}"
  retention_period = {RETENTION_HOURS}
  stream_mode_details {{
    stream_mode = "ON_DEMAND"
  }}
}}

resource "aws_iam_role" "event_streams" {{
  name = "{side.role_name}"
  assume_role_policy = jsonencode({{
    Version = "2012-10-17"
    Statement = [{{
      Effect    = "Allow"
      Principal = {{ AWS = "{side.principal}" }}
      Action    = "sts:AssumeRole"
      Condition = {{ StringEquals = {{ "sts:ExternalId" = "{side.external_id}" }} }}
    }}]
  }})
}}

resource "aws_iam_role_policy" "put_events" {{
  name = "{POLICY_NAME}"
  role = aws_iam_role.event_streams.id
  policy = jsonencode({{
    Version = "2012-10-17"
    Statement = [
      {{
        Effect   = "Allow"
        Action   = ["kinesis:PutRecord", "kinesis:PutRecords", "kinesis:ListShards"]
        Resource = aws_kinesis_stream.events.arn
      }},
      {{
        Effect   = "Allow"
        Action   = ["kinesis:DescribeLimits"]
        Resource = "*"
      }},
    ]
  }})
}}
"""


def cloudformation(side: AwsSide) -> str:
    """Return a CloudFormation template for the Kinesis stream and the role, in JSON."""
    stream = {
        "Type": "AWS::Kinesis::Stream",
        "DeletionPolicy": "Retain",
        "Properties": {
            "Name": side.kinesis_stream,
            "RetentionPeriodHours": RETENTION_HOURS,
            "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
        },
    }
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": side.role_name,
            "AssumeRolePolicyDocument": trust_policy(side),
            "Policies": [{"PolicyName": POLICY_NAME, "PolicyDocument": write_policy(side)}],
        },
    }
    resources = {"Events": stream, "EventStreamsRole": role}
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    return json.dumps(template, indent=2)


def all_text(side: AwsSide) -> str:
    """Return the AWS side in its three forms, of which one is needed."""
    heading = (
        "The AWS side, in three forms, of which one is needed (or run with --aws). First compare "
        f"the AWS account {side.principal} with Twilio's page on Kinesis sinks; "
        "FLEXCAPTURE_EVENT_STREAMS_PRINCIPAL sets another. With SSE-KMS on the Kinesis stream, the "
        "role also needs kms:GenerateDataKey.\n"
        f"Role ARN: {side.role_arn}\nExternal id: {side.external_id}"
    )
    forms = (
        ("1. IAM policies", policies_text(side)),
        ("2. Terraform", terraform(side)),
        ("3. CloudFormation", cloudformation(side)),
    )
    return "\n\n".join([heading, *(f"== {title} ==\n{text}" for title, text in forms)])
