"""`flexcapture up`: check the settings, lock the state directory, and supervise until a signal."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from infra.local.downloads import MissingTool
from infra.local.haproxy import LocalHaproxy, haproxy_binary
from infra.local.haproxy_configuration import WrongConfiguration
from infra.local.kafka_cluster import broker_count, local_cluster
from infra.other_users import other_users
from infra.ports import free_before, is_free, kept_ports
from infra.state_dir import StateDir, StateDirInUse
from infra.supervisor.child import BackingCommands
from infra.supervisor.fork_server import ForkServer
from infra.supervisor.plan import LOAD_BALANCER, ProcessPlan, RoleCommand, port_names
from infra.supervisor.supervisor import CannotStart, Supervisor
from pipeline.error_text import error_text
from pipeline.policy.monitored_list import parse_list
from pipeline.runtime.kafka_security import client_arguments
from pipeline.runtime.permissions import named_paths, set_umask, tighten, tighten_tree
from pipeline.runtime.setting_values import listen_address
from pipeline.runtime.settings import PREFIX, Settings, SettingsError
from pipeline.runtime.telemetry import set_up_logs
from pipeline.runtime.twilio_credentials import cannot_record
from pipeline.store.database import open_database
from schemas.registry.http import RegistryError

OK, FAILED, WRONG, IN_USE = 0, 1, 2, 3
_PORT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """The parsed arguments of the command line."""

    brokers: int | None
    load_balancer: bool


class _Stopped(Exception):
    """A signal arrived before the event loop could handle it."""


def main(
    settings: Settings,
    directory: Path,
    environment: Mapping[str, str],
    start: ForkServer | RoleCommand,
    brokers: int | None = None,
    *,
    load_balancer: bool = False,
) -> int:
    """Run the whole pipeline on this machine until SIGTERM or SIGINT; return the exit status.

    - `environment`: the roles' environment, to which `up` adds its own decisions.
    - `start`: what starts the roles.
    - `brokers`: the size of the local cluster; None: that of the directory, or one.
    - `load_balancer`: whether HAProxy is put in front of the gateways.
    """
    set_umask(settings.file_mode)
    set_up_logs("up", "up", "WARNING")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # failed connections are expected
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _raise_stopped)
    try:
        check(settings, brokers, load_balancer=load_balancer)
        _forget_secrets(settings)
        close_to_others(settings, directory)
        state_dir = StateDir(directory.absolute())
        asked = _Asked(brokers, load_balancer)
        return _hold_and_run(settings, state_dir, environment, start, asked)
    except _Stopped:
        return OK
    except SettingsError as error:
        return _printed(str(error), WRONG)
    except StateDirInUse as error:
        return _printed(str(error), IN_USE)
    except (CannotStart, MissingTool, RegistryError, OSError, RuntimeError) as error:
        return _printed(error_text(error), FAILED)


def _forget_secrets(settings: Settings) -> None:
    """Remove our settings from this process's environment. The fork server inherits it, and other
    processes of the same user could read it from each role. The roles get their settings from the
    plan."""
    kept = "AWS_" if settings.kafka_sasl_token_provider else None  # for tokens of `up` itself
    for name in tuple(os.environ):
        is_secret = name.upper().startswith((PREFIX, "AWS_"))
        if is_secret and not (kept and name.upper().startswith(kept)):
            del os.environ[name]


def check(settings: Settings, brokers: int | None = None, *, load_balancer: bool = False) -> None:
    """Refuse settings that cannot work, before anything is started. Raise `SettingsError`."""
    if settings.kafka_bootstrap_servers is not None and brokers is not None:
        raise SettingsError(
            f"--brokers is for a local cluster, but {PREFIX}KAFKA_BOOTSTRAP_SERVERS names an "
            "external one: remove one of them"
        )
    needs_emulator = not (settings.aws_endpoint_url_kinesis or settings.kinesis_stream)
    if needs_emulator and find_spec("moto") is None:
        raise SettingsError(
            f"{PREFIX}KINESIS_STREAM is not set, and the Kinesis emulator is not installed: set "
            "it, or run pip install 'flexcapture[local]'"
        )
    if load_balancer:
        try:
            haproxy_binary()
        except MissingTool as error:
            raise SettingsError(f"--load-balancer: {error}") from error
    if settings.monitored_agents is not None:
        _check_list(settings.monitored_agents)
    if settings.database_url is not None:
        open_database(settings.database_url).dispose()
    if settings.kafka_bootstrap_servers is not None:
        client_arguments(settings)
    _check_listening(settings)


def close_to_others(settings: Settings, directory: Path) -> None:
    """Restrict the permissions of all files in the state directory and in the directories that
    settings name. Raise `SettingsError`."""
    own = [directory, directory / "logs", directory / "recordings"]  # each may be a symbolic link
    done: list[Path] = []
    for name, path in [*(("the state directory", path) for path in own), *named_paths(settings)]:
        resolved = path.resolve()
        if not any(resolved.is_relative_to(root) for root in done):
            tighten_tree(name, path, settings.file_mode)
            done.append(resolved)
    tighten("the state directory", directory / "console-token", 0o600)


def _check_list(path: Path) -> None:
    if not path.is_file():
        raise SettingsError(f"{PREFIX}MONITORED_AGENTS: there is no file {path}")
    try:
        parsed = parse_list(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{PREFIX}MONITORED_AGENTS: {path} cannot be read: {error}") from error
    if parsed.bad:
        raise SettingsError(f"{PREFIX}MONITORED_AGENTS: {path}: {parsed.bad[0]}")


def _check_listening(settings: Settings) -> None:
    for name in ("gateway_listen", "console_listen"):
        listen = getattr(settings, name)
        if listen is None:
            continue
        host, port = listen_address(listen)
        if not is_free(port, host):
            raise SettingsError(f"{PREFIX}{name.upper()}: {listen} is in use or not permitted")


def _hold_and_run(
    settings: Settings,
    state_dir: StateDir,
    environment: Mapping[str, str],
    start: ForkServer | RoleCommand,
    asked: _Asked,
) -> int:
    with state_dir.held():
        state_dir.remove_endpoints()
        brokers = broker_count(state_dir.path, asked.brokers)
        names = port_names(settings, brokers, load_balancer=asked.load_balancer)
        configured = [settings.gateway_listen, settings.console_listen]
        avoid = [listen_address(listen)[1] for listen in configured if listen]
        token = settings.console_token
        plan = ProcessPlan(
            settings,
            state_dir.path,
            kept_ports(state_dir.path / "ports.json", names, avoid),
            token.get_secret_value() if token else state_dir.console_token(),
            environment,
            brokers,
            asked.load_balancer,
        )
        free_before(plan.used_ports(), _PORT_SECONDS)
        _say(f"state, logs and recordings are under {state_dir.path}")
        for warning in warnings(plan, other_users()):
            _printed(f"warning: {warning}", OK)
        commands = BackingCommands(_kafka_commands(plan), _haproxy_command(plan))
        asyncio.run(_supervise(plan, state_dir, commands, start))
    return OK


def _kafka_commands(plan: ProcessPlan) -> list[list[str]]:
    if not plan.local_kafka:
        return []
    return local_cluster(plan.directory, plan.ports, plan.brokers).prepare()


def _haproxy_command(plan: ProcessPlan) -> list[str] | None:
    if not plan.load_balancer:
        return None
    directory = plan.directory / LOAD_BALANCER
    try:
        return LocalHaproxy(directory, plan.load_balancer_addresses()).prepare()
    except WrongConfiguration as error:
        raise SettingsError(f"--load-balancer: {error}") from error


async def _supervise(
    plan: ProcessPlan,
    state_dir: StateDir,
    commands: BackingCommands,
    start: ForkServer | RoleCommand,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)

    def say(text: str) -> None:
        _say(text)
        if text == "ready":
            _say(f"console: {plan.endpoints(0, [])['console']}  (token: {_token_place(plan)})")

    try:
        await Supervisor(plan, state_dir, commands, start, say).run(stop)
    except* (CannotStart, SettingsError) as errors:
        raise errors.exceptions[0] from None
    _say("stopped")


def _token_place(plan: ProcessPlan) -> str:
    if plan.settings.console_token:
        return f"as in {PREFIX}CONSOLE_TOKEN"
    return f"in {plan.directory / 'console-token'}"


def warnings(plan: ProcessPlan, users: Sequence[str]) -> Iterator[str]:
    """Yield the warnings for the operator at the start. `users`: other people with an account on
    this machine."""
    settings = plan.settings
    if settings.monitored_agents is None:
        yield f"{PREFIX}MONITORED_AGENTS is not set: no agent is monitored"
    yield from cannot_record(settings)
    if plan.local_kafka and users:
        yield (
            "the local Kafka has no access control: other users of this machine "
            f"({', '.join(users[:3])}{', ...' if len(users) > 3 else ''}) can read all audio there "
            f"and write to it; on a shared machine set {PREFIX}KAFKA_BOOTSTRAP_SERVERS to a Kafka "
            "with SASL"
        )


def _raise_stopped(_signum: int, _frame: FrameType | None) -> None:
    raise _Stopped


def _say(text: str) -> None:
    with suppress(BrokenPipeError):  # the reader may have gone: no reason to stop
        print(text, flush=True)


def _printed(text: str, status: int) -> int:
    with suppress(BrokenPipeError):
        print(f"flexcapture: {text}", file=sys.stderr, flush=True)
    return status
