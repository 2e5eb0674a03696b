"""The command line: `flexcapture COMMAND`. The composition root, which may import everything; it
imports what a command needs only when it is asked for, so that a role starts quickly."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop

from cli import own_role
from cli.dead_letters import arguments as dead_letter_arguments
from cli.derive import arguments as derive_arguments
from cli.rebuild import arguments as rebuild_arguments
from cli.recordings import arguments as recordings_arguments
from cli.roles import ROLES, RoleEntry
from cli.tail import arguments as tail_arguments
from cli.topics import arguments as topics_arguments
from cli.twilio import arguments as twilio_arguments
from pipeline.runtime.console_settings import new_console_token
from pipeline.runtime.endpoints import NotRunning, settings_for
from pipeline.runtime.permissions import PRIVATE_UMASK, refuse_open_paths, set_umask
from pipeline.runtime.process import run_role
from pipeline.runtime.settings import MOST_PROCESSES, Role, Settings, SettingsError, load
from pipeline.times import moment
from pipeline.twilio.sids import SidKind, valid_sid

OK, FAILED, WRONG = 0, 1, 2
DEFAULT_STATE_DIR = Path(".flexcapture")
DEMO_STATE_DIR = Path(".flexcapture-demo")

_LOCAL_PACKAGES = frozenset({"moto", "rich"})
"""Installed with the extra `local`; the image is without."""


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    top = argparse.ArgumentParser(
        prog="flexcapture",
        description="Records the calls of monitored agents in a Twilio Flex contact center.",
        epilog="Settings are environment variables, FLEXCAPTURE_...: see docs/settings.md.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="the whole pipeline on this machine, until stopped")
    up.add_argument("--state-dir", type=Path, metavar="DIR", help="directory of all its files")
    up.add_argument(
        "--brokers",
        type=_positive,
        metavar="N",
        help="size of the local Kafka cluster (default: what DIR has, or 1)",
    )
    _add_load_balancer(up)
    demo = commands.add_parser("demo", help="the whole pipeline, and simulated calls through it")
    demo.add_argument("--calls", type=_positive, metavar="N", help="how many calls are played")
    demo.add_argument("--exit", action="store_true", help="check every call's outcome, then stop")
    demo.add_argument("--state-dir", type=Path, default=DEMO_STATE_DIR, metavar="DIR")
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
    recordings_arguments.add(commands)
    _add_policy(commands)
    topics_arguments.add(commands)
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
        help="how many gateways run (default: as FLEXCAPTURE_PROCESSES says, or 1)",
    )  # fmt: skip
    command.add_argument(
        "--load-balancer", action="store_true", help="HAProxy in front of the gateways"
    )


def _add_replay(bridge: argparse.ArgumentParser) -> None:
    bridge.add_argument(
        "--replay-from", type=_moment, metavar="TIME",
        help="bridge the events again that Kinesis received since then, beside the live bridge",
    )  # fmt: skip
    bridge.add_argument(
        "--until", type=_moment, metavar="TIME", help="end of the period (default: now)"
    )
    bridge.add_argument(
        "--checkpoint-name", type=_checkpoint_name, metavar="NAME",
        help="name under which a replay keeps its progress; the same name continues it",
    )  # fmt: skip


def _add_call(commands: Any) -> None:
    call = commands.add_parser("call", help="the state of a call at any moment, from the topics")
    call.add_argument("task_sid", type=_task_sid, metavar="TASK_SID")
    call.add_argument(
        "--at", type=_moment, metavar="TIME",
        help="show the state at this log time: RFC 3339 with an offset, or epoch milliseconds "
        "(default: the current state, and every version)",
    )  # fmt: skip
    call.add_argument("--json", action="store_true", help="as JSON")
    call.add_argument("--state-dir", type=Path, metavar="DIR", help="of the `up` to ask")


def _add_policy(commands: Any) -> None:
    policy = commands.add_parser("policy", help="the monitored list")
    actions = policy.add_subparsers(dest="action", required=True, metavar="ACTION")
    accept = actions.add_parser("accept", help="take the list that is held back because it shrank")
    accept.add_argument("--state-dir", type=Path, metavar="DIR", help="of the `up` to ask")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status: 0 clean, 1 failure, 2 wrong usage or settings, 3 state
    directory in use."""
    os.umask(PRIVATE_UMASK)  # before anything is created
    asked = parser().parse_args(arguments)
    commands = {
        "up": _up,
        "demo": _demo,
        "call": _call,
        "rebuild": _rebuild,
        "dead-letters": _dead_letters,
        "derive": _derive,
        "policy": _policy,
        "recordings": _recordings,
        "run": _run,
        "tail": _tail,
        "topics": _topics,
        "twilio": _twilio,
        Role.BRIDGE: _bridge,
        Role.CONSOLE: _console,
    }
    try:
        if asked.command in commands:
            return commands[asked.command](asked)
        return _role(Role(asked.command), _load())
    except (SettingsError, own_role.NoRole) as error:
        return _told(error, WRONG)
    except NotRunning as error:
        return _told(error, FAILED)
    except ModuleNotFoundError as error:
        if error.name not in _LOCAL_PACKAGES:
            raise
        return _told(f"{error.name} is not installed: pip install 'flexcapture[local]'", FAILED)
    except KeyboardInterrupt:
        return FAILED


def _load() -> Settings:
    settings = load()
    set_umask(settings.file_mode)
    return settings


def _up(asked: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(OK))  # until `up` itself is loaded
    settings = _load()
    directory = asked.state_dir or settings.state_dir or DEFAULT_STATE_DIR
    from infra.supervisor.fork_server import ForkServer
    from infra.up import main as run_up

    if asked.gateways is not None:
        processes = settings.processes | {Role.GATEWAY: asked.gateways}
        settings = settings.model_copy(update={"processes": processes})
    roles = ForkServer("cli.role_server")
    return run_up(
        settings,
        directory,
        dict(os.environ),
        roles,
        brokers=asked.brokers,
        load_balancer=asked.load_balancer,
    )


def _demo(asked: argparse.Namespace) -> int:
    from simulator.demo import run_demo

    arguments = {"exit_after": asked.exit, "state_dir": asked.state_dir, "unlike": asked.unlike}
    if asked.calls is not None:
        arguments["calls"] = asked.calls
    up_arguments = ["--load-balancer"] if asked.load_balancer else []
    if asked.gateways is not None:
        up_arguments += ["--gateways", str(asked.gateways)]
    return asyncio.run(run_demo(**arguments, up_arguments=up_arguments))


def _call(asked: argparse.Namespace) -> int:
    from cli.call.command import show_call

    _quiet()
    settings = settings_for(_load(), asked.state_dir, DEFAULT_STATE_DIR)
    return show_call(settings, asked.task_sid, asked.at, in_json=asked.json)


def _rebuild(asked: argparse.Namespace) -> int:
    _quiet()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(FAILED))  # cleans up unfinished work
    rebuild = _rebuild_tracker if asked.what == "tracker" else _rebuild_recordings
    try:
        return rebuild(_load(), asked)
    except (TimeoutError, RuntimeError, OSError) as error:
        return _told(error or "Kafka does not answer", FAILED)


def _rebuild_tracker(settings: Settings, asked: argparse.Namespace) -> int:
    from cli.rebuild.calls_command import rebuild
    from infra.local.offline_kafka import reachable_kafka

    with reachable_kafka(settings, asked.state_dir, DEFAULT_STATE_DIR) as reachable:
        return rebuild(reachable, check=asked.check)


def _rebuild_recordings(settings: Settings, asked: argparse.Namespace) -> int:
    from cli.rebuild.recordings import Chosen
    from cli.rebuild.recordings_command import rebuild
    from infra.local.offline_kafka import reachable_kafka

    stores = rebuild_arguments.stores(settings, asked, DEFAULT_STATE_DIR)
    part = Chosen(asked.since or None, asked.until, asked.task_sid)
    with reachable_kafka(settings, asked.state_dir, DEFAULT_STATE_DIR) as reachable:
        return rebuild(reachable, part, stores.target, stores.own)


def _derive(asked: argparse.Namespace) -> int:
    from cli.derive.command import run
    from infra.local.offline_kafka import reachable_kafka

    _quiet()
    settings = _load()
    derive_arguments.checked(asked, settings)
    with reachable_kafka(settings, asked.state_dir, DEFAULT_STATE_DIR) as reachable:
        derive_arguments.checked(asked, reachable)
        return run(reachable, asked)


def _bridge(asked: argparse.Namespace) -> int:
    begins_at, ends_at, name = asked.replay_from, asked.until, asked.checkpoint_name
    if begins_at is None:
        if ends_at is not None or name is not None:
            return _told("--until and --checkpoint-name go with --replay-from", WRONG)
        return _role(Role.BRIDGE, _load())
    if ends_at is not None and ends_at <= begins_at:
        return _told("--until must be later than --replay-from", WRONG)
    from cli.replay import replay

    try:
        return replay(_load(), begins_at, ends_at, name)
    except Exception as error:  # noqa: BLE001 - any error ends the process, with a message
        return _failed(Role.BRIDGE, error)


def _console(asked: argparse.Namespace) -> int:
    if asked.action == "token":
        print(new_console_token())
        return OK
    settings = load()
    # A console without an address of its own for it shows its state on the console's port only.
    if settings.http_listen == settings.console_listen:
        settings = settings.model_copy(update={"http_listen": None})
    return _role(Role.CONSOLE, settings)


def _dead_letters(asked: argparse.Namespace) -> int:
    from cli.dead_letters.command import run

    _quiet()
    settings = settings_for(_load(), asked.state_dir, DEFAULT_STATE_DIR)
    return run(settings, asked)


def _policy(asked: argparse.Namespace) -> int:
    from cli.policy import accept

    _quiet()
    settings = settings_for(_load(), asked.state_dir, DEFAULT_STATE_DIR)
    return accept(settings)


def _recordings(asked: argparse.Namespace) -> int:
    from cli.recordings.command import run

    _quiet()
    settings = _load()
    reachable = settings_for(settings, asked.state_dir, DEFAULT_STATE_DIR)
    directory = (asked.state_dir or settings.state_dir or DEFAULT_STATE_DIR).absolute()
    url = settings.recordings_url or (directory / "recordings").as_uri()
    return run(reachable, url, asked.partition, yes=asked.yes)


def _tail(asked: argparse.Namespace) -> int:
    from cli.tail.command import run

    _quiet()
    settings = settings_for(_load(), asked.state_dir, DEFAULT_STATE_DIR)
    return run(settings, asked)


def _topics(asked: argparse.Namespace) -> int:
    from cli.topics.command import run

    _quiet()
    settings = settings_for(_load(), asked.state_dir, DEFAULT_STATE_DIR)
    return run(settings, asked)


def _twilio(asked: argparse.Namespace) -> int:
    _quiet()
    if asked.action == "check-call":
        from cli.check_call.command import Asked, run

        settings = settings_for(_load(), asked.state_dir, DEFAULT_STATE_DIR)
        return run(settings, Asked(asked.to, asked.caller, asked.yes, asked.json))
    from cli.twilio.command import run_action

    return run_action(_load(), asked, DEFAULT_STATE_DIR)


def _quiet() -> None:
    """Keep aiokafka's log quiet: a command prints an error in one line."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _run(asked: argparse.Namespace) -> int:
    settings = _load()
    name, entry = own_role.found(asked.module)
    return _process(name, entry, settings_for(settings, asked.state_dir, DEFAULT_STATE_DIR))


def _role(role: Role, settings: Settings) -> int:
    return _process(role, ROLES[role], settings)


def _process(role: str, entry: RoleEntry, settings: Settings) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(OK))  # until the role has its own handler
    refuse_open_paths(settings)
    work = run_role(role, entry.load(), settings)
    loop_factory = uvloop.new_event_loop if entry.on_uvloop else None
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(work)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending
    except Exception as error:  # noqa: BLE001 - any error ends the process, with a message
        return _failed(role, error)
    return OK


def _failed(role: str, error: Exception) -> int:
    cause = root_cause(error)
    if isinstance(cause, SettingsError):
        return _told(cause, WRONG)
    structlog.get_logger(__name__).critical("failed", exc_info=error)
    logging.shutdown()
    return _told(f"{role}: {type(cause).__name__}: {cause}", FAILED)


def root_cause(error: BaseException) -> BaseException:
    """The first real error in a group of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


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


def _told(what: object, status: int) -> int:
    print(f"flexcapture: {what}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
