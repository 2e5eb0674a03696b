"""The arguments of `flexcapture twilio check-call`."""

import argparse
from pathlib import Path
from typing import Any

from pipeline.twilio.sids import e164


def add(actions: Any) -> None:
    """Add the command to the subparser of `flexcapture twilio`."""
    check = actions.add_parser(
        "check-call",
        help="place a test call that shows which assumptions about Twilio hold",
        description="Places one call, streams it through the running pipeline, and reports which "
        "assumptions about Twilio hold on this account (docs/assumptions.md). The call is not "
        "recorded. Exit status: 0 nothing needs a change, 1 something failed or must be changed, "
        "2 wrong usage or settings.",
    )
    check.add_argument("--to", type=number, required=True, metavar="NUMBER", help="number to call")
    check.add_argument(
        "--from", type=number, dest="caller", metavar="NUMBER",
        help="calling number (default: FLEXCAPTURE_CHECK_CALL_FROM, or the account's first)",
    )  # fmt: skip
    check.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    check.add_argument("--json", action="store_true", help="as JSON")
    check.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")


def number(text: str) -> str:
    """Return a telephone number in the form of E.164. Raise `argparse.ArgumentTypeError`."""
    try:
        return e164(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
