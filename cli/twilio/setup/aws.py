"""Create the AWS side with boto3: the Kinesis stream and the role that Twilio assumes. Each step
looks first and changes only the difference. All functions block, and raise boto3's errors."""

import json
from typing import Any

from cli.twilio.kinesis import KinesisAccess
from cli.twilio.setup.aws_side import (
    POLICY_NAME,
    RETENTION_HOURS,
    AwsSide,
    trust_policy,
    write_policy,
)
from cli.twilio.setup.steps import Say

_TAG = {"Key": "created-by", "Value": "flexcapture"}


def create_stream(access: KinesisAccess, say: Say, *, is_dry_run: bool) -> None:
    """Create the Kinesis stream, if there is none, and return once it is active. Give it the
    retention that lets a bridge be away for a week, if it has less."""
    client, name = access.client(), access.kinesis_stream
    try:
        summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    except client.exceptions.ResourceNotFoundException:
        if is_dry_run:
            say(f"would create: Kinesis stream {name}, kept for {RETENTION_HOURS} h")
            return
        client.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
        client.get_waiter("stream_exists").wait(StreamName=name)
        summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        say(f"created: Kinesis stream {name}")
    if int(summary.get("RetentionPeriodHours", 24)) >= RETENTION_HOURS:
        say(f"exists: Kinesis stream {name}")
        return
    if not is_dry_run:
        client.increase_stream_retention_period(
            StreamName=name, RetentionPeriodHours=RETENTION_HOURS
        )
    say(f"{'would set' if is_dry_run else 'set'}: Kinesis stream {name}, {RETENTION_HOURS} h kept")


def create_role(iam: Any, side: AwsSide, say: Say, *, is_dry_run: bool) -> None:
    """Create the role, or correct its trust policy and permissions."""
    found = _role(iam, side.role_name)
    if found is None:
        if not is_dry_run:
            iam.create_role(
                RoleName=side.role_name,
                AssumeRolePolicyDocument=json.dumps(trust_policy(side)),
                Description="Twilio Event Streams writes call events to Kinesis",
                Tags=[_TAG],
            )
        say(f"{'would create' if is_dry_run else 'created'}: role {side.role_arn}")
    elif found.get("AssumeRolePolicyDocument") != trust_policy(side):
        if not is_dry_run:
            document = json.dumps(trust_policy(side))
            iam.update_assume_role_policy(RoleName=side.role_name, PolicyDocument=document)
        say(f"{'would correct' if is_dry_run else 'corrected'}: trust policy of {side.role_arn}")
    else:
        say(f"exists: role {side.role_arn}")
    if not is_dry_run:
        iam.put_role_policy(
            RoleName=side.role_name,
            PolicyName=POLICY_NAME,
            PolicyDocument=json.dumps(write_policy(side)),
        )


def delete_role(iam: Any, side: AwsSide, say: Say, *, is_dry_run: bool) -> None:
    """Delete the role, if this command created it. The Kinesis stream stays, with its records."""
    found = _role(iam, side.role_name)
    if found is None or _TAG not in found.get("Tags", []):
        say(f"there is no role {side.role_name} that this command created")
        return
    if not is_dry_run:
        for name in iam.list_role_policies(RoleName=side.role_name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=side.role_name, PolicyName=name)
        iam.delete_role(RoleName=side.role_name)
    say(f"{'would delete' if is_dry_run else 'deleted'}: role {side.role_arn}")


def _role(iam: Any, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None
    return found
