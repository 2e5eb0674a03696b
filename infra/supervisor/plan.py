"""Decide which programs `flexcapture up` runs, and with which environment, from the settings, the
kept ports and the console's token. Pure: it starts and writes nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from infra.local.haproxy import ADMIN_SOCKET
from infra.local.haproxy_configuration import Addresses, GatewayAddress
from infra.local.kafka_cluster import bootstrap_servers, broker_names
from infra.local.kafka_cluster import port_names as broker_port_names
from infra.local.kinesis import LocalKinesis
from infra.supervisor.child import Program
from infra.supervisor.fork_server import ForkServer
from pipeline.runtime.role_settings import environment_of, settings_of
from pipeline.runtime.secret_settings import FILE_SUFFIX, several
from pipeline.runtime.setting_values import listen_address
from pipeline.runtime.settings import PREFIX, Role, Settings
from schemas.registry.http import without_credentials

KINESIS_STREAM = "flex-events"
GATEWAY_PATH = "/media"
LOAD_BALANCER = "load-balancer"
_DRAIN_SECONDS = 3600.0
"""How long (s) a gateway that is stopped behind a load balancer lets its calls continue. New calls
go to other gateways."""

RoleCommand = Callable[[Role], Sequence[str]]
"""Returns the command that runs a role."""


def port_names(settings: Settings, brokers: int = 1, *, load_balancer: bool = False) -> list[str]:
    """Return the names of all ports that `up` may need, including those that a setting replaces
    now."""
    names = [*broker_port_names(brokers), "kinesis", "schema-registry", "gateway"]
    if load_balancer:
        names += [LOAD_BALANCER, *(_media_port(n) for n in range(gateway_count(settings)))]
    names += [f"{role}-{n}" for role, n in instances(settings)]
    return names + [_http_port(role, n) for role, n in instances(settings) if role is Role.CONSOLE]


def instances(settings: Settings) -> list[tuple[Role, int]]:
    """Return every process, by role and number. There is no lander without a lake."""
    roles = [role for role in Role if role is not Role.LANDER or settings.lake_url is not None]
    return [(role, n) for role in roles for n in range(settings.processes.get(role, 1))]


def gateway_count(settings: Settings) -> int:
    """Return the number of gateways."""
    return settings.processes.get(Role.GATEWAY, 1)


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """The addresses of all services, and the programs to run with their environments.
    `load_balancer`: whether HAProxy is in front of the gateways."""

    settings: Settings
    directory: Path
    ports: Mapping[str, int]
    console_token: str
    environment: Mapping[str, str]
    brokers: int = 1
    load_balancer: bool = False

    @property
    def local_kafka(self) -> bool:
        """Whether `up` starts the broker."""
        return self.settings.kafka_bootstrap_servers is None

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of the Kafka brokers, separated by commas."""
        ports = [self.ports[name] for name in broker_names(self.brokers)]
        return self.settings.kafka_bootstrap_servers or bootstrap_servers(ports)

    @property
    def kinesis(self) -> LocalKinesis | None:
        """The emulator that `up` starts, or None."""
        settings = self.settings
        if settings.aws_endpoint_url_kinesis or settings.kinesis_stream:
            return None
        return LocalKinesis(self.ports["kinesis"], settings.region(), KINESIS_STREAM)

    @property
    def registry_listen(self) -> str | None:
        """The address at which `up` serves the schemas; None if a registry is configured."""
        return None if self.settings.schema_registry_url else self._local("schema-registry")

    @property
    def gateway_listen(self) -> str:
        """The address for media streams: that of the load balancer, or else the port that all
        gateways share."""
        return self.settings.gateway_listen or self._local("gateway")

    @property
    def load_balancer_http(self) -> str:
        """The address of the load balancer's /healthz and /metrics."""
        return self._local(LOAD_BALANCER)

    def load_balancer_addresses(self) -> Addresses:
        """Return the addresses of the load balancer and of the gateways behind it."""
        return Addresses(
            media=self.gateway_listen,
            health=self.load_balancer_http,
            socket=ADMIN_SOCKET,
            gateways=[
                GatewayAddress(self._local(_media_port(n)), self.ports[_http_port(Role.GATEWAY, n)])
                for n in range(gateway_count(self.settings))
            ],
            certificate=None,
            path=urlsplit(self.settings.gateway_public_url or self.gateway_url).path,
        )

    @property
    def gateway_url(self) -> str:
        """The URL of the gateways on this machine."""
        return f"ws://{reachable(self.gateway_listen)}{GATEWAY_PATH}"

    def used_ports(self) -> dict[str, int]:
        """Return the kept ports that will be listened on, by name."""
        unused = set(broker_port_names(self.brokers)) if not self.local_kafka else set()
        unused |= set() if self.kinesis else {"kinesis"}
        unused |= set() if self.registry_listen else {"schema-registry"}
        unused |= {"gateway"} if self.settings.gateway_listen else set()
        unused |= {"console-0"} if self.settings.console_listen else set()
        names = port_names(self.settings, self.brokers, load_balancer=self.load_balancer)
        wanted = set(names) - unused
        return {name: port for name, port in self.ports.items() if name in wanted}

    def shared_settings(self) -> Settings:
        """Return the settings with which `up` itself reaches Kafka."""
        if not self.local_kafka:
            return self.settings
        local = {
            "kafka_bootstrap_servers": self.bootstrap_servers,
            "kafka_security_protocol": "PLAINTEXT",
        }
        return self.settings.model_copy(update=local)

    def programs(self, start: ForkServer | RoleCommand) -> list[Program]:
        """Return the programs of all roles: forked, or run by a command."""
        return [
            Program(
                role,
                number,
                start if isinstance(start, ForkServer) else tuple(start(role)),
                self._role_environment(role, number),
                self._http(role, number),
                *self._listening(role, number),
            )
            for role, number in instances(self.settings)
        ]

    def backing_environment(self) -> dict[str, str]:
        """Return the environment of broker and emulator, without our settings and without
        credentials."""
        hidden = (PREFIX, "AWS_", "KAFKA_", "JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS")
        return {k: v for k, v in self.environment.items() if not k.startswith(hidden)}

    def endpoints(self, pid: int, roles: Iterable[tuple[Program, int | None]]) -> dict[str, Any]:
        """Return the content of endpoints.json. A process that is being restarted has the pid
        null."""
        listed: dict[str, list[dict[str, Any]]] = {}
        for program, role_pid in roles:
            listed.setdefault(program.role, []).append({"pid": role_pid, "http": program.http})
        kinesis, settings = self.kinesis, self.settings
        registry = without_credentials(settings.schema_registry_url or "")
        return {
            "pid": pid,
            "kafka": self.bootstrap_servers,
            "kinesis": kinesis.endpoint if kinesis else settings.aws_endpoint_url_kinesis,
            "kinesis_region": settings.region(),
            "kinesis_stream": settings.kinesis_stream or KINESIS_STREAM,
            "gateway": self.gateway_url,
            "console": f"http://{reachable(self._console_listen(0))}",
            "console_token": several(SecretStr(self.console_token))[0],
            "schema_registry": registry or f"http://{self.registry_listen}",
            "topic_prefix": settings.topic_prefix,
            "roles": listed,
        }

    def _local(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def _console_listen(self, number: int) -> str:
        configured = self.settings.console_listen if number == 0 else None
        return configured or self._local(f"{Role.CONSOLE}-{number}")

    def _listening(self, role: Role, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the addresses on which a process listens alone, and those that it shares."""
        http = self._http(role, number)
        if role is Role.CONSOLE:
            return (http, self._console_listen(number)), ()
        return (http,), (self.gateway_listen,) if role is Role.GATEWAY else ()

    def broker_listens(self, number: int) -> tuple[str, ...]:
        """Return the addresses on which a local broker listens."""
        name = broker_names(self.brokers)[number]
        return self._local(name), self._local(f"{name}-controller")

    def _http(self, role: Role, number: int) -> str:
        return self._local(_http_port(role, number))

    def _role_environment(self, role: Role, number: int) -> dict[str, str]:
        dropped = {f"{PREFIX}CONSOLE_TOKEN", f"{PREFIX}CONSOLE_TOKEN_FILE", f"{PREFIX}HTTP_LISTEN"}
        given = {n: v for n, v in self.environment.items() if n.upper() not in dropped}
        environment = {
            name: value
            for name, value in environment_of(role, given, self.settings).items()
            if not (self.local_kafka and name.upper().startswith(f"{PREFIX}KAFKA_"))
        }
        wanted = settings_of(role, self.settings)
        ours = {
            f"{PREFIX}{name}": value
            for name, value in self._role_settings(role, number)
            if name in wanted or name.startswith("KAFKA_")
        }
        from_file = {name + FILE_SUFFIX for name in ours}
        given = {
            name: value for name, value in environment.items() if name.upper() not in from_file
        }
        return given | ours | self._kinesis_environment(role)

    def _role_settings(self, role: Role, number: int) -> Iterable[tuple[str, str]]:
        settings = self.settings
        yield "NO_ENV_FILE", "1"  # its values are already in our environment
        yield "INSTANCE", f"{role}-{number}"
        yield "STATE_DIR", str(self.directory)
        yield "KAFKA_BOOTSTRAP_SERVERS", self.bootstrap_servers
        yield "KINESIS_STREAM", settings.kinesis_stream or KINESIS_STREAM
        yield "GATEWAY_PUBLIC_URL", settings.gateway_public_url or self.gateway_url
        if role is Role.GATEWAY:
            yield from self._gateway_settings(number)
        yield (
            "DATABASE_URL",
            settings.database_url or f"sqlite:///{quote(str(self.directory / 'flexcapture.db'))}",
        )
        recordings = settings.recordings_url or (self.directory / "recordings").as_uri()
        yield "RECORDINGS_URL", recordings
        if role is Role.CONSOLE:
            yield "CONSOLE_LISTEN", self._console_listen(number)
            yield "CONSOLE_TOKEN", self.console_token
        yield "HTTP_LISTEN", self._http(role, number)

    def _gateway_settings(self, number: int) -> Iterable[tuple[str, str]]:
        if not self.load_balancer:
            yield "GATEWAY_LISTEN", self.gateway_listen
            yield "GATEWAY_REUSE_PORT", "true"
            yield "GATEWAY_CHECK_SECONDS", "0"
            yield "GATEWAY_DRAIN_SECONDS", "2"
            return
        settings = self.settings
        is_set = "gateway_drain_seconds" in settings.model_fields_set
        yield "GATEWAY_LISTEN", self._local(_media_port(number))
        yield "GATEWAY_REUSE_PORT", "false"
        yield "GATEWAY_CHECK_SECONDS", str(settings.gateway_check_seconds)
        drain = settings.gateway_drain_seconds if is_set else _DRAIN_SECONDS
        yield "GATEWAY_DRAIN_SECONDS", str(drain)

    def _kinesis_environment(self, role: Role) -> dict[str, str]:
        # Only for the bridge: roles that write recordings to a real S3 need the real credentials.
        return self.kinesis.environment() if self.kinesis and role is Role.BRIDGE else {}


def _http_port(role: Role, number: int) -> str:
    """Return the name of the port of /healthz and /metrics. The console has another port for them,
    because on its main port they need the token."""
    return f"{role}-{number}-http" if role is Role.CONSOLE else f"{role}-{number}"


def _media_port(number: int) -> str:
    """Return the name of the port on which a gateway takes media streams behind a load balancer."""
    return f"{Role.GATEWAY}-{number}-media"


def reachable(listen: str) -> str:
    """Return `host:port` of a listening address as this machine reaches it."""
    host, port = listen_address(listen)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
