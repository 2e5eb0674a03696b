"""The arguments of `flexcapture twilio`."""

import argparse
from pathlib import Path
from typing import Any

from cli.check_call import arguments as check_call_arguments


def add(commands: Any) -> None:
    """Add the command to a subparser."""
    twilio = commands.add_parser("twilio", help="set up and check the Twilio account")
    actions = twilio.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action in (*_add_setup(actions), _add_doctor(actions)):
        action.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")
    check_call_arguments.add(actions)


def _add_setup(actions: Any) -> tuple[Any, Any]:
    setup = actions.add_parser(
        "setup",
        help="create the Event Streams sink and its subscription",
        description="Creates missing parts and does not change correct ones: an Event Streams sink "
        "for the Kinesis stream, validated with a test event, and a subscription with the event "
        "types that the pipeline reads. Prints the AWS side as text, or creates it with --aws. It "
        "can be stopped and run again. Exit status: 0 all parts are correct, 1 a step failed, 2 "
        "wrong usage or settings.",
    )
    setup.add_argument(
        "--aws", action="store_true", help="create the Kinesis stream and the role with boto3"
    )
    teardown = actions.add_parser("teardown", help="remove the parts that setup created")
    teardown.add_argument("--aws", action="store_true", help="remove the role that --aws created")
    teardown.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    for action in (setup, teardown):
        action.add_argument(
            "--dry-run", action="store_true", help="print the steps, without changes"
        )
    return setup, teardown


def _add_doctor(actions: Any) -> Any:
    doctor = actions.add_parser(
        "doctor",
        help="check every link from Twilio to the recordings store",
        description="Checks every link from Twilio to the recordings store and prints the remedies "
        "(docs/doctor.md). It writes only its probes and its results. Exit status: 0 no check "
        "failed, 1 a check failed, 2 wrong usage or settings.",
    )
    doctor.add_argument("--json", action="store_true", help="as JSON")
    doctor.add_argument(
        "--metrics", type=Path, metavar="FILE",
        help="also write metrics to this file, for the textfile collector of the node exporter",
    )  # fmt: skip
    doctor.add_argument(
        "--save", action=argparse.BooleanOptionalAction,
        help="save the results in the database, for the console's page Checks; by default if a "
        "database is set; with --save, a failure to do so gives the exit status 1",
    )  # fmt: skip
    return doctor
