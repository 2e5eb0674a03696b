"""The command line: `flexcapture COMMAND`. This is the composition root, which may import
everything. It imports the modules of a command only when that command is run, so that a role starts
quickly."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from cli import own_role
from cli.derive import arguments as derive_arguments
from cli.messages import FAILED, OK, WRONG, log_to_stderr, print_error
from cli.parser import parser
from cli.rebuild import arguments as rebuild_arguments
from cli.role_process import failed, run_own, run_process
from pipeline.error_text import error_text
from pipeline.runtime.console_settings import new_console_token
from pipeline.runtime.endpoints import NotRunning, settings_for
from pipeline.runtime.permissions import PRIVATE_UMASK, set_umask
from pipeline.runtime.schema_ids import UnusableIds, use_logged_ids
from pipeline.runtime.settings import Role, Settings, SettingsError, load

DEFAULT_STATE_DIR = Path(".flexcapture")

_LOCAL_PACKAGES = frozenset({"moto", "rich"})
"""Modules that the extra `local` installs. The image does not have them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Return the exit status: 0 clean, 1 failure, 2 wrong usage or settings, 3 state
    directory in use."""
    os.umask(PRIVATE_UMASK)  # before anything is created
    log_to_stderr()
    asked = parser().parse_args(arguments)
    commands = {
        "up": _up,
        "demo": _demo,
        "call": _call,
        "rebuild": _rebuild,
        "dead-letters": _dead_letters,
        "derive": _derive,
        "policy": _policy,
        "reconcile": _reconcile,
        "recordings": _recordings,
        "run": _run,
        "schemas": _schemas,
        "tail": _tail,
        "topics": _topics,
        "twilio": _twilio,
        Role.BRIDGE: _bridge,
        Role.CONSOLE: _console,
    }
    try:
        if asked.command in commands:
            return commands[asked.command](asked)
        return run_own(Role(asked.command), _load())
    except (SettingsError, own_role.NoRole) as error:
        return print_error(error, WRONG)
    except (NotRunning, UnusableIds) as error:
        return print_error(error, FAILED)
    except ModuleNotFoundError as error:
        if error.name not in _LOCAL_PACKAGES:
            raise
        return print_error(
            f"{error.name} is not installed: pip install 'flexcapture[local]'", FAILED
        )
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
    settings = _reachable(asked)
    return show_call(settings, asked.task_sid, asked.at, in_json=asked.json)


def _rebuild(asked: argparse.Namespace) -> int:
    _quiet()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(FAILED))  # cleans up unfinished work
    rebuild = _rebuild_tracker if asked.what == "tracker" else _rebuild_recordings
    try:
        return rebuild(_load(), asked)
    except (TimeoutError, RuntimeError, OSError) as error:
        return print_error(error_text(error), FAILED)


def _rebuild_tracker(settings: Settings, asked: argparse.Namespace) -> int:
    from cli.rebuild.calls_command import rebuild
    from infra.local.offline_kafka import reachable_kafka

    with reachable_kafka(settings, asked.state_dir, DEFAULT_STATE_DIR) as reachable:
        use_logged_ids(reachable)
        return rebuild(reachable, check=asked.check)


def _rebuild_recordings(settings: Settings, asked: argparse.Namespace) -> int:
    from cli.rebuild.recordings import Chosen
    from cli.rebuild.recordings_command import rebuild
    from infra.local.offline_kafka import reachable_kafka

    stores = rebuild_arguments.stores(settings, asked, DEFAULT_STATE_DIR)
    part = Chosen(asked.since or None, asked.until, asked.task_sid)
    with reachable_kafka(settings, asked.state_dir, DEFAULT_STATE_DIR) as reachable:
        use_logged_ids(reachable)
        return rebuild(reachable, part, stores.target, stores.own)


def _derive(asked: argparse.Namespace) -> int:
    from cli.derive.command import run
    from infra.local.offline_kafka import reachable_kafka

    _quiet()
    settings = _load()
    derive_arguments.checked(asked, settings)
    with reachable_kafka(settings, asked.state_dir, DEFAULT_STATE_DIR) as reachable:
        derive_arguments.checked(asked, reachable)
        use_logged_ids(reachable)
        return run(reachable, asked)


def _bridge(asked: argparse.Namespace) -> int:
    begins_at, ends_at, name = asked.replay_from, asked.until, asked.checkpoint_name
    if begins_at is None:
        if ends_at is not None or name is not None:
            return print_error("--until and --checkpoint-name go with --replay-from", WRONG)
        return run_own(Role.BRIDGE, _load())
    if ends_at is not None and ends_at <= begins_at:
        return print_error("--until must be later than --replay-from", WRONG)
    from cli.replay import replay

    try:
        settings = _load()
        use_logged_ids(settings)
        return replay(settings, begins_at, ends_at, name)
    except Exception as error:  # noqa: BLE001 - any error ends the process, with a message
        return failed(Role.BRIDGE, error)


def _console(asked: argparse.Namespace) -> int:
    if asked.action == "token":
        print(new_console_token())
        return OK
    settings = load()
    # Without a separate address for it, a console shows its health only on its own port.
    if settings.http_listen == settings.console_listen:
        settings = settings.model_copy(update={"http_listen": None})
    return run_own(Role.CONSOLE, settings)


def _dead_letters(asked: argparse.Namespace) -> int:
    from cli.dead_letters.command import run

    _quiet()
    settings = _reachable(asked)
    return run(settings, asked)


def _policy(asked: argparse.Namespace) -> int:
    from cli.policy import accept

    _quiet()
    settings = _reachable(asked)
    return accept(settings)


def _reconcile(asked: argparse.Namespace) -> int:
    from cli.reconcile.command import run

    _quiet()
    settings = settings_for(_load(), asked.state_dir, DEFAULT_STATE_DIR)
    return run(settings, asked)


def _recordings(asked: argparse.Namespace) -> int:
    from cli.recordings.command import run

    _quiet()
    settings = _load()
    reachable = settings_for(settings, asked.state_dir, DEFAULT_STATE_DIR)
    use_logged_ids(reachable)
    directory = (asked.state_dir or settings.state_dir or DEFAULT_STATE_DIR).absolute()
    url = settings.recordings_url or (directory / "recordings").as_uri()
    return run(reachable, url, asked.partition, yes=asked.yes)


def _schemas(asked: argparse.Namespace) -> int:
    from cli.schemas.command import run

    _quiet()
    return run(_load(), asked, DEFAULT_STATE_DIR)


def _tail(asked: argparse.Namespace) -> int:
    from cli.tail.command import run

    _quiet()
    settings = _reachable(asked)
    return run(settings, asked)


def _topics(asked: argparse.Namespace) -> int:
    from cli.topics.command import run

    _quiet()
    settings = _reachable(asked)
    return run(settings, asked)


def _twilio(asked: argparse.Namespace) -> int:
    _quiet()
    if asked.action == "check-call":
        from cli.check_call.command import Asked, run

        settings = _reachable(asked)
        return run(settings, Asked(asked.to, asked.caller, asked.yes, asked.json))
    from cli.twilio.command import run_action

    return run_action(_load(), asked, DEFAULT_STATE_DIR)


def _reachable(asked: argparse.Namespace) -> Settings:
    """Return the settings with which a command reaches Kafka, with the ids of schemas there in
    use."""
    settings = settings_for(_load(), asked.state_dir, DEFAULT_STATE_DIR)
    use_logged_ids(settings)
    return settings


def _quiet() -> None:
    """Keep aiokafka's log quiet: a command prints an error in one line."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _run(asked: argparse.Namespace) -> int:
    settings = _load()
    name, entry = own_role.found(asked.module)
    return run_process(name, entry, settings_for(settings, asked.state_dir, DEFAULT_STATE_DIR))


if __name__ == "__main__":
    sys.exit(main())
