"""What `up` runs and with which environment."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from infra.supervisor.fork_server import ForkServer
from infra.supervisor.plan import ProcessPlan, port_names, reachable
from pipeline.runtime.settings import Role, Settings

HOME = {"PATH": "/bin", "FLEXCAPTURE_KAFKA_SECURITY_PROTOCOL": "SSL"}
FORKED = ForkServer("cli.role_server")
COUNTS = st.dictionaries(st.sampled_from(list(Role)), st.integers(1, 4))


def plan(
    environment: dict[str, str] | None = None, *, load_balancer: bool = False, **settings: Any
) -> ProcessPlan:
    """A plan in /state with ports from 1000 on."""
    made = Settings(**settings)
    names = port_names(made, load_balancer=load_balancer)
    ports = {name: 1000 + number for number, name in enumerate(names)}
    directory, own = Path("/state"), environment or HOME
    return ProcessPlan(made, directory, ports, "token", own, load_balancer=load_balancer)


def environment_of(made: ProcessPlan, name: str) -> dict[str, str]:
    """The environment of the process called ROLE-N."""
    [program] = [p for p in made.programs(FORKED) if p.name == name]
    return dict(program.environment)


@given(COUNTS)
def test_each_process_has_its_own_name_and_address(counts: dict[Role, int]) -> None:
    """As many processes of each role as asked, 1 by default; no two share a name or an address."""
    programs = plan(processes=counts, lake_url="file:///lake").programs(FORKED)
    assert {role: counts.get(role, 1) for role in Role} == {
        role: sum(p.role == role for p in programs) for role in Role
    }
    assert len(programs) == len({p.name for p in programs}) == len({p.http for p in programs})


@given(COUNTS)
def test_endpoints_name_every_process(counts: dict[Role, int]) -> None:
    """endpoints.json holds what the contract says, as JSON, a dead process without a pid."""
    made = plan(processes=counts, lake_url="file:///lake")
    endpoints = made.endpoints(7, [(p, None) for p in made.programs(FORKED)])
    assert endpoints == json.loads(json.dumps(endpoints))
    assert (7, "token", "us-east-1", "flex-events") == (
        endpoints["pid"], endpoints["console_token"],
        endpoints["kinesis_region"], endpoints["kinesis_stream"],
    )  # fmt: skip
    assert set(Role) == set(endpoints["roles"])
    assert endpoints["console"].removeprefix("http://") != endpoints["roles"]["console"][0]["http"]


def test_the_console_shows_its_health_on_a_port_of_its_own() -> None:
    """On that of its pages /metrics and the reasons need the token."""
    made = plan(processes={Role.CONSOLE: 2}, console_listen="0.0.0.0:80")
    for number, listen in enumerate(["0.0.0.0:80", f"127.0.0.1:{made.ports['console-1']}"]):
        environment = environment_of(made, f"console-{number}")
        assert listen == environment["FLEXCAPTURE_CONSOLE_LISTEN"]
        http = f"127.0.0.1:{made.ports[f'console-{number}-http']}"
        assert http == environment["FLEXCAPTURE_HTTP_LISTEN"]
    assert "http://127.0.0.1:80" == made.endpoints(1, [])["console"]
    assert {"console-0-http", "console-1-http", "console-1"} <= set(made.used_ports())
    assert "console-0" not in made.used_ports()


def test_a_lander_runs_only_with_a_lake() -> None:
    """Without FLEXCAPTURE_LAKE_URL there is none, regardless of the requested number; with it there
    is one, which gets the setting."""
    for settings in ({}, {"processes": {Role.LANDER: 2}}):
        assert Role.LANDER not in {p.role for p in plan(**settings).programs(FORKED)}
    made = plan({**HOME, "FLEXCAPTURE_LAKE_URL": "s3://lake/x"}, lake_url="s3://lake/x")
    assert [0] == [p.number for p in made.programs(FORKED) if p.role is Role.LANDER]
    assert "s3://lake/x" == environment_of(made, "lander-0")["FLEXCAPTURE_LAKE_URL"]
    assert "FLEXCAPTURE_LAKE_URL" not in environment_of(made, "recorder-0")


def test_gateways_share_one_port() -> None:
    """Two gateways listen on the same address and are configured to share it."""
    two = plan(processes={Role.GATEWAY: 2})
    first, second = (environment_of(two, f"gateway-{n}") for n in (0, 1))
    assert first["FLEXCAPTURE_GATEWAY_LISTEN"] == second["FLEXCAPTURE_GATEWAY_LISTEN"]
    assert first["FLEXCAPTURE_HTTP_LISTEN"] != second["FLEXCAPTURE_HTTP_LISTEN"]
    assert "true" == second["FLEXCAPTURE_GATEWAY_REUSE_PORT"]


def test_a_local_broker_is_spoken_to_in_plain() -> None:
    """Settings that were meant for an outside Kafka do not reach the roles of a local one."""
    assert "FLEXCAPTURE_KAFKA_SECURITY_PROTOCOL" not in environment_of(plan(), "tracker-0")
    outside = plan(kafka_bootstrap_servers="kafka:9092")
    assert "SSL" == environment_of(outside, "tracker-0")["FLEXCAPTURE_KAFKA_SECURITY_PROTOCOL"]
    assert not outside.local_kafka
    assert not {"kafka", "kafka-controller"} & set(outside.used_ports())


def test_the_database_is_in_the_directory_however_that_is_called() -> None:
    """A URL has its own meaning for some of a path's characters."""
    directory = Path("/state/100%41 #1?x=ä")
    made = replace(plan(), directory=directory)
    url = environment_of(made, "consolidator-0")["FLEXCAPTURE_DATABASE_URL"]
    assert str(directory / "flexcapture.db") == make_url(url).database


def test_only_the_bridge_sees_the_emulator() -> None:
    """The emulator's dummy credentials go to the bridge alone: S3 needs the real ones."""
    own = {**HOME, "AWS_ACCESS_KEY_ID": "real"}
    assert "emulator" == environment_of(plan(own), "bridge-0")["AWS_ACCESS_KEY_ID"]
    assert "real" == environment_of(plan(own), "recorder-0")["AWS_ACCESS_KEY_ID"]


@pytest.mark.parametrize(
    "outside",
    [{"kinesis_stream": "theirs"}, {"AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:4567"}],
)
def test_a_configured_kinesis_is_left_alone(outside: dict[str, Any]) -> None:
    """With an endpoint or a stream's name there is no emulator, and no credentials are changed."""
    own = {**HOME, "AWS_ACCESS_KEY_ID": "real"}
    made = plan(own, **outside)
    assert made.kinesis is None
    assert "real" == environment_of(made, "bridge-0")["AWS_ACCESS_KEY_ID"]


def test_the_console_token_goes_to_the_console_alone() -> None:
    """No other role's environment has the token, even if it was set outside."""
    made = plan({**HOME, "FLEXCAPTURE_CONSOLE_TOKEN": "token"})
    holders = [p.role for p in made.programs(FORKED) if "token" in p.environment.values()]
    assert [Role.CONSOLE] == holders


def test_broker_and_emulator_see_no_settings() -> None:
    """Third-party processes get neither our secrets nor options that would change their
    behaviour."""
    own = {"PATH": "/bin", "FLEXCAPTURE_X": "1", "AWS_SECRET_ACCESS_KEY": "1", "KAFKA_OPTS": "1"}
    assert {"PATH": "/bin"} == plan(own).backing_environment()


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("0.0.0.0:80", "127.0.0.1:80"),
        ("[::]:80", "[::1]:80"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("localhost:80", "localhost:80"),
    ],
)
def test_wildcards_are_reached_on_loopback(listen: str, expected: str) -> None:
    """A wildcard address is replaced by one to which clients can connect."""
    assert expected == reachable(listen)


@given(st.integers(1, 64))
def test_behind_a_load_balancer_each_gateway_has_a_port(count: int) -> None:
    """Twilio is given the load balancer's address; each gateway listens on a port of its own, and
    its health check shows the load balancer that it stops."""
    made = plan(load_balancer=True, processes={Role.GATEWAY: count})
    endpoints = made.endpoints(1, [])
    addresses = made.load_balancer_addresses()
    assert f"ws://{addresses.media}/media" == endpoints["gateway"]
    assert ("/media", count) == (addresses.path, len(addresses.gateways))
    for number, gateway in enumerate(addresses.gateways):
        environment = environment_of(made, f"gateway-{number}")
        assert gateway.media == environment["FLEXCAPTURE_GATEWAY_LISTEN"]
        http = f"127.0.0.1:{gateway.health_port}"
        assert http == environment["FLEXCAPTURE_HTTP_LISTEN"]
        assert endpoints["gateway"] == environment["FLEXCAPTURE_GATEWAY_PUBLIC_URL"]
        assert "false" == environment["FLEXCAPTURE_GATEWAY_REUSE_PORT"]
    used = [gateway.media for gateway in addresses.gateways] + [addresses.media, addresses.health]
    assert len(set(used)) == count + 2
    assert {int(each.rpartition(":")[2]) for each in used} <= set(made.used_ports().values())


def test_the_load_balancer_takes_the_configured_address() -> None:
    """FLEXCAPTURE_GATEWAY_LISTEN is the address that is reached from outside; the path is that of
    the public URL."""
    url = "wss://capture.example.com/a/b"
    made = plan(load_balancer=True, gateway_listen="0.0.0.0:80", gateway_public_url=url)
    addresses = made.load_balancer_addresses()
    assert ("0.0.0.0:80", "/a/b") == (addresses.media, addresses.path)
    assert (
        addresses.gateways[0].media
        == environment_of(made, "gateway-0")["FLEXCAPTURE_GATEWAY_LISTEN"]
    )
    assert "gateway" not in made.used_ports()


@pytest.mark.parametrize(
    ("load_balancer", "settings", "expected"),
    [
        (False, {}, ("0", "2")),
        (False, {"gateway_drain_seconds": 9}, ("0", "2")),
        (True, {}, ("3.0", "3600.0")),
        (True, {"gateway_drain_seconds": 9, "gateway_check_seconds": 1}, ("1.0", "9.0")),
    ],
)
def test_behind_a_load_balancer_calls_can_end(
    load_balancer: bool, settings: dict[str, float], expected: tuple[str, str]
) -> None:
    """A gateway that is stopped alone waits for its calls, since others take the new ones."""
    environment = environment_of(plan(load_balancer=load_balancer, **settings), "gateway-0")
    names = ("CHECK", "DRAIN")
    assert expected == tuple(environment[f"FLEXCAPTURE_GATEWAY_{n}_SECONDS"] for n in names)
