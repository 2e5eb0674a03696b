"""Run a plan: first Kafka and Kinesis, then the topics, then the roles. Stop them in reverse
order."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from aiokafka.errors import KafkaError

from infra.state_dir import StateDir
from infra.supervisor.child import BackingCommands, Child, Program
from infra.supervisor.fork_server import CannotFork, ForkServer
from infra.supervisor.health_probe import health_of, is_only, is_waiting_for_a_list
from infra.supervisor.plan import LOAD_BALANCER, ProcessPlan, RoleCommand
from infra.supervisor.schema_ids import use_ids
from infra.supervisor.warm import all_usable
from pipeline.error_text import error_text
from pipeline.runtime.http_server import serving
from pipeline.runtime.kafka import ensure_topics, wait_for_kafka
from pipeline.runtime.settings import Role, SettingsError
from pipeline.runtime.twilio_credentials import missing_for_history, missing_for_requests
from schemas import topics
from schemas.registry.app import app as registry_app
from schemas.registry.http import RegistryError

_KAFKA_SECONDS = 60.0
_SLOW_SECONDS = 120.0
_PROBE_SECONDS = 0.2
_SAY_WAITING_EVERY_S = 60.0
# The sum must be well under 20 s, the limit for stopping everything.
_ROLE_STOP_SECONDS = 8.0
_BACKING_STOP_SECONDS = 7.0
_URGE_SECONDS = 2.0
"""A gateway that waits longer than this (s) for its calls to end gets a second SIGTERM, which ends
them."""

Say = Callable[[str], None]


class CannotStart(RuntimeError):
    """A service that everything else needs did not start. The text gives the reason."""


class Supervisor:
    """Owns every process of one `up`."""

    def __init__(
        self,
        plan: ProcessPlan,
        state_dir: StateDir,
        commands: BackingCommands,
        start: ForkServer | RoleCommand,
        say: Say,
    ) -> None:
        self._plan = plan
        self._state_dir = state_dir
        self._say = say
        self._ready = False
        self._stop_roles = asyncio.Event()
        self._stop_backing = asyncio.Event()
        self._role_tasks: list[asyncio.Task[None]] = []
        self._kinesis = None
        environment = plan.backing_environment()
        self._brokers = [
            self._child(
                Program("kafka", n, tuple(command), environment, listens=plan.broker_listens(n)),
                _BACKING_STOP_SECONDS,
            )
            for n, command in enumerate(commands.kafka)
        ]
        if plan.kinesis is not None:
            program = Program(
                "kinesis", 0, tuple(plan.kinesis.command()), environment,
                listens=(f"127.0.0.1:{plan.kinesis.port}",),
            )  # fmt: skip
            self._kinesis = self._child(program, _BACKING_STOP_SECONDS)
        self._load_balancer = None
        if commands.haproxy is not None:
            program = Program(
                *(LOAD_BALANCER, 0, tuple(commands.haproxy), environment, plan.load_balancer_http)
            )
            self._load_balancer = self._child(program, _BACKING_STOP_SECONDS)
        self._roles = [self._child(p, _ROLE_STOP_SECONDS) for p in plan.programs(start)]
        self._start = start

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, report that it is ready, and keep it running until `stop` is set; then
        stop everything.

        Raise `CannotStart` or `SettingsError` if it cannot start, after it has stopped the started
        programs, and `OSError` if the schemas cannot be served.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self._state_dir.remove_endpoints)
            if self._plan.registry_listen:
                app = registry_app(self._plan.settings.topic_prefix)
                await stack.enter_async_context(serving(self._plan.registry_listen, app))
            async with asyncio.TaskGroup() as group:
                await self._run(group, stop)

    async def _run(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        backing = [
            group.create_task(child.keep_running(self._stop_backing), name=child.program.name)
            for child in self._backing
        ]
        work = group.create_task(self._work(group), name="work")
        stopped = group.create_task(stop.wait(), name="stop")
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        failure = work.result() if work.done() else None
        # 1. Remove the addresses of the services that are about to stop. 2. Start nothing more. 3.
        #    Stop the roles while Kafka still accepts the records that they flush. 4. Stop Kafka and
        #    Kinesis.
        self._say("stopping")
        self._ready = False
        self._state_dir.remove_endpoints()
        for task in (work, stopped):
            task.cancel()
        await asyncio.wait({work, stopped})
        self._stop_roles.set()
        await _all_done(self._role_tasks)
        self._stop_backing.set()
        await _all_done(backing)
        if failure is not None:
            raise failure

    async def _work(self, group: asyncio.TaskGroup) -> Exception:
        """Work until cancelled. Return only with the error that prevents further work."""
        try:
            await self._backing_ready()
            for child in self._roles:
                task = group.create_task(
                    child.keep_running(self._stop_roles), name=child.program.name
                )
                self._role_tasks.append(task)
            await self._roles_ready()
        except (CannotStart, SettingsError) as error:
            return error
        self._ready = True
        self._write_endpoints()
        self._say("ready")
        return await self._keep_kinesis_stream()

    async def _backing_ready(self) -> None:
        plan = self._plan
        if self._brokers:
            self._say(f"starting kafka at {plan.bootstrap_servers}")
        if self._kinesis and plan.kinesis:
            self._say(f"starting kinesis (an emulator) at {plan.kinesis.endpoint}")
        async with asyncio.TaskGroup() as group:
            topics_made = group.create_task(self._topics_made())
            warmed = group.create_task(self._warmed())
            group.create_task(self._kinesis_made())
        for task in (topics_made, warmed):
            if (failure := task.result()) is not None:
                raise failure
        await self._use_ids()

    async def _topics_made(self) -> Exception | None:
        if not self._brokers:
            return await self._outside_topics_made()
        settings = self._plan.shared_settings()
        try:
            async with asyncio.timeout(_KAFKA_SECONDS):
                while True:
                    try:
                        await wait_for_kafka(settings, _KAFKA_SECONDS, len(self._brokers))
                        await ensure_topics(settings, topics.PROVISIONED)
                        await all_usable(settings)
                    except (KafkaError, OSError):
                        await asyncio.sleep(_PROBE_SECONDS)
                    else:
                        return None
        except TimeoutError:
            log = f"last lines of its log:\n{self._brokers[0].log_tail()}"
            where = self._plan.bootstrap_servers
            return CannotStart(f"Kafka at {where} does not answer; {log}")
        except SettingsError as error:
            return error

    async def _outside_topics_made(self) -> Exception | None:
        """Wait for an external Kafka, without a time limit, as each role does."""
        loop = asyncio.get_running_loop()
        say_at = loop.time()
        while True:
            try:
                await ensure_topics(self._plan.settings, topics.PROVISIONED)
            except SettingsError as error:
                return error
            except (KafkaError, OSError) as error:
                if loop.time() >= say_at:
                    say_at = loop.time() + _SAY_WAITING_EVERY_S
                    why = _reason(error)
                    self._say(f"waiting for Kafka at {self._plan.bootstrap_servers}: {why}")
                await asyncio.sleep(_PROBE_SECONDS)
            else:
                return None

    async def _warmed(self) -> Exception | None:
        if isinstance(self._start, ForkServer):
            try:
                await self._start.warm()
            except CannotFork as error:
                return CannotStart(str(error))
        return None

    async def _kinesis_made(self) -> None:
        if self._kinesis and self._plan.kinesis:
            self._kinesis.started.clear()
            await self._plan.kinesis.make_stream()

    async def _keep_kinesis_stream(self) -> Exception:
        """Create the stream again after each start of the emulator, which loses it when it dies."""
        while True:
            if self._kinesis is None:
                await asyncio.Event().wait()
            else:
                await self._kinesis.started.wait()
                await self._kinesis_made()

    async def _use_ids(self) -> None:
        """Let the roles write with the ids of the configured registry, or with the fixed ids."""
        try:
            await use_ids(self._plan.shared_settings(), self._say)
        except (RegistryError, KafkaError, TimeoutError) as error:
            raise CannotStart(error_text(error)) from error

    async def _roles_ready(self) -> None:
        self._say(f"starting {', '.join(child.program.name for child in self._roles)}")
        reasons: dict[str, str] = {}
        async with asyncio.TaskGroup() as group:
            needed = [*self._roles, *filter(None, [self._load_balancer])]
            waiting = {group.create_task(self._until_ready(child, reasons)) for child in needed}
            while waiting:
                _, waiting = await asyncio.wait(waiting, timeout=_SLOW_SECONDS)
                for name, reason in reasons.items():
                    self._say(f"{name} is not ready yet: {reason} (log: {self._state_dir.logs})")

    async def _until_ready(self, child: Child, reasons: dict[str, str]) -> None:
        program = child.program
        assert program.http is not None
        while True:
            status, text = await health_of(program.http)
            if status == 200 or (self._lacks_credentials(program) and is_only(text, "twilio")):
                reasons.pop(program.name, None)
                return
            if program.role == LOAD_BALANCER and status and not self._plan.settings.auth_tokens:
                reasons.pop(program.name, None)  # without a token, no gateway is healthy
                return
            if is_waiting_for_a_list(program.role, status, text):
                reasons.pop(program.name, None)
                self._say(f"{program.name}: {text}")
                return
            reasons[program.name] = text
            await asyncio.sleep(_PROBE_SECONDS)

    def _lacks_credentials(self, program: Program) -> bool:
        settings = self._plan.settings
        if program.role == Role.GATEWAY:
            return not settings.auth_tokens
        if program.role in {Role.RETRIEVER, Role.RECONCILER}:
            return bool(missing_for_history(settings))
        return program.role == Role.TWILIO_ADAPTER and bool(missing_for_requests(settings))

    @property
    def _backing(self) -> list[Child]:
        # The load balancer stops after the gateways, which close the sockets through it.
        return [*self._brokers, *filter(None, [self._kinesis, self._load_balancer])]

    def _child(self, program: Program, stop_seconds: float) -> Child:
        return Child(
            program,
            self._state_dir.logs,
            stop_seconds=stop_seconds,
            changed=self._write_endpoints,
            say=self._say,
            urge_seconds=_URGE_SECONDS if program.role == Role.GATEWAY else None,
        )

    def _write_endpoints(self) -> None:
        if self._ready:
            processes = [(c.program, c.pid) for c in (*self._roles, *self._backing)]
            self._state_dir.write_endpoints(self._plan.endpoints(os.getpid(), processes))


def _reason(error: KafkaError | OSError) -> str:
    """Return the text of the error, of Kafka's errors without their type."""
    text = error.args[0] if isinstance(error, KafkaError) and error.args else ""
    return str(text) or error_text(error)


async def _all_done(tasks: Sequence[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks)
