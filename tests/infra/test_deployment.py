"""The files for other ways to run it name what there is."""

from pathlib import Path

import yaml

from pipeline.settings import Role

INFRA = Path(__file__).parents[2] / "infra"


def test_compose_runs_every_role() -> None:
    """Each role is a service that runs the command of its name, as an instance of its own."""
    services = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
    for role in Role:
        assert [role] == services[role]["command"]
        assert f"{role}-0" == services[role]["environment"]["FLEXCAPTURE_INSTANCE"]


def test_the_console_shows_health_and_pages_on_two_ports() -> None:
    """Health checks and Prometheus need no token on the port that is not published."""
    compose = yaml.safe_load((INFRA / "compose.yaml").read_text())
    console = compose["services"]["console"]
    listens = [console["environment"][f"FLEXCAPTURE_{n}_LISTEN"] for n in ("HTTP", "CONSOLE")]
    assert len(set(listens)) == 2
    assert [f"8080:{listens[1].split(':')[1]}"] == console["ports"]


def test_the_image_keeps_its_directories_to_its_user() -> None:
    """State and recordings are made with a mode that shuts others out; volumes inherit it."""
    dockerfile = (INFRA / "Dockerfile").read_text().replace("\\\n", " ")
    [made] = [line for line in dockerfile.splitlines() if "install -d -m 0700" in line]
    for directory in ("recordings", "state"):
        assert f"/var/lib/flexcapture/{directory}" in made
    assert "mkdir" not in dockerfile


def test_compose_and_the_local_broker_are_the_same_kafka() -> None:
    """The version in compose.yaml is the one whose jars pom.xml names."""
    version = (INFRA / "pom.xml").read_text().split("<version>")[2].split("<")[0]
    assert f"apache/kafka:{version}" in (INFRA / "compose.yaml").read_text()
    assert "4.3.1" == version
