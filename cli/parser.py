"""The parser of `flexcapture COMMAND`: the commands and their arguments."""

import argparse
from pathlib import Path
from typing import Any

from cli import own_role
from cli.dead_letters import arguments as dead_letter_arguments
from cli.derive import arguments as derive_arguments
from cli.rebuild import arguments as rebuild_arguments
from cli.reconcile import arguments as reconcile_arguments
from cli.recordings import arguments as recordings_arguments
from cli.roles import ROLES
from cli.schemas import arguments as schemas_arguments
from cli.tail import arguments as tail_arguments
from cli.topics import arguments as topics_arguments
from cli.twilio import arguments as twilio_arguments
from pipeline.runtime.settings import MOST_PROCESSES, Role
from pipeline.times import moment
from pipeline.twilio.sids import SidKind, valid_sid

DEMO_STATE_DIR = Path(".flexcapture-demo")


def parser() -> argparse.ArgumentParser:
    """Return the parser with all commands and their arguments."""
    top = argparse.ArgumentParser(
        prog="flexcapture",
        description="Records the calls of monitored agents in a Twilio Flex contact center.",
        epilog="Settings are environment variables, FLEXCAPTURE_...: see docs/settings.md.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="run the whole pipeline on this machine until stopped")
    up.add_argument("--state-dir", type=Path, metavar="DIR", help="directory for all its files")
    up.add_argument(
        "--brokers",
        type=_positive,
        metavar="N",
        help="brokers of the local Kafka (default: as many as DIR has, or 1)",
    )
    _add_load_balancer(up)
    demo = commands.add_parser("demo", help="run the whole pipeline with simulated calls")
    demo.add_argument("--calls", type=_positive, metavar="N", help="number of calls to play")
    demo.add_argument(
        "--exit", action="store_true", help="check the outcome of every call, then stop"
    )
    demo.add_argument(
        "--state-dir",
        type=Path,
        default=DEMO_STATE_DIR,
        metavar="DIR",
        help=f"directory for all its files (default: {DEMO_STATE_DIR})",
    )
    demo.add_argument(
        "--unlike",
        default="",
        metavar="NAME[,NAME]",
        help="assumptions about Twilio that do not hold (docs/assumptions.md)",
    )
    _add_load_balancer(demo)
    _add_call(commands)
    rebuild_arguments.add(commands, _moment, _task_sid)
    derive_arguments.add(commands, _moment)
    dead_letter_arguments.add(commands, _moment, _positive)
    reconcile_arguments.add(commands, _moment)
    recordings_arguments.add(commands)
    _add_policy(commands)
    topics_arguments.add(commands)
    schemas_arguments.add(commands)
    tail_arguments.add(commands, _moment, _task_sid)
    twilio_arguments.add(commands)
    own_role.add(commands)
    for role in Role:
        command = commands.add_parser(role.value, help=f"one process: {ROLES[role].summary}")
        if role is Role.BRIDGE:
            _add_replay(command)
        if role is Role.CONSOLE:
            command.add_argument(
                "action", nargs="?", choices=["token"], help="token: print a new random token"
            )
    return top


def _add_load_balancer(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--gateways", type=_process_count, metavar="N",
        help="number of gateways (default: from FLEXCAPTURE_PROCESSES, or 1)",
    )  # fmt: skip
    command.add_argument(
        "--load-balancer", action="store_true", help="run HAProxy in front of the gateways"
    )


def _add_replay(bridge: argparse.ArgumentParser) -> None:
    bridge.add_argument(
        "--replay-from", type=_moment, metavar="TIME",
        help="bridge the events since this time again, while the live bridge continues",
    )  # fmt: skip
    bridge.add_argument(
        "--until", type=_moment, metavar="TIME", help="end of the period (default: now)"
    )
    bridge.add_argument(
        "--checkpoint-name", type=_checkpoint_name, metavar="NAME",
        help="name of the replay's progress; a replay with the same name continues",
    )  # fmt: skip


def _add_call(commands: Any) -> None:
    call = commands.add_parser("call", help="show the state of a call at any time, from the topics")
    call.add_argument("task_sid", type=_task_sid, metavar="TASK_SID")
    call.add_argument(
        "--at", type=_moment, metavar="TIME",
        help="show the state at this log time: RFC 3339 with an offset, or epoch milliseconds "
        "(default: the current state, and every version)",
    )  # fmt: skip
    call.add_argument("--json", action="store_true", help="as JSON")
    call.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")


def _add_policy(commands: Any) -> None:
    policy = commands.add_parser("policy", help="manage the monitored list")
    actions = policy.add_subparsers(dest="action", required=True, metavar="ACTION")
    accept = actions.add_parser("accept", help="accept a list that is held back because it shrank")
    accept.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of `up`")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _process_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PROCESSES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_PROCESSES}")
    return int(text)


def _task_sid(text: str) -> str:
    if (sid := valid_sid(SidKind.TASK, text)) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no task SID: WT and 32 hexadecimal digits")
    return sid


def _moment(text: str) -> int:
    try:
        return moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _checkpoint_name(text: str) -> str:
    from cli.replay import checkpoint_name

    try:
        return checkpoint_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
