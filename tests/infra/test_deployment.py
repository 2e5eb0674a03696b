"""Deployment files name only existing commands, settings and topics."""

import re
import stat
import subprocess
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.runtime.role_settings import settings_of
from pipeline.runtime.secret_settings import SECRETS
from pipeline.runtime.settings import PREFIX, Role, Settings, load
from tools import compose_haproxy

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra" / "deploy"
OWN_IMAGES = {"flexcapture"}


def compose() -> dict[str, Any]:
    """Return compose.yaml."""
    return dict(yaml.safe_load((INFRA / "compose.yaml").read_text()))


def pins(lock: str) -> dict[str, str]:
    """Return the versions that a lock file names, by package."""
    found = re.findall(
        r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^ ]+)", (ROOT / lock).read_text(), re.MULTILINE
    )
    return dict(found)


def test_compose_runs_every_role() -> None:
    """Each role is a service that runs the command of its name, as an instance of its own."""
    services = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
    for role in Role:
        assert [role] == services[role]["command"]
        assert f"{role}-0" == services[role]["environment"]["FLEXCAPTURE_INSTANCE"]


def test_the_console_shows_health_and_pages_on_two_ports() -> None:
    """Health checks and Prometheus need no token on the port that is not published."""
    console = compose()["services"]["console"]
    listens = [console["environment"][f"FLEXCAPTURE_{n}_LISTEN"] for n in ("HTTP", "CONSOLE")]
    assert len(set(listens)) == 2


def test_only_the_proxy_is_reached_from_outside() -> None:
    """Gateway and console are behind TLS; the console trusts the proxy's address, and no other."""
    services = compose()["services"]
    assert ["proxy"] == [name for name, service in services.items() if "ports" in service]
    address = services["proxy"]["networks"]["default"]["ipv4_address"]
    assert address == services["console"]["environment"]["FLEXCAPTURE_TRUSTED_PROXIES"]
    proxy = (INFRA / "haproxy-compose.cfg").read_text()
    binds = [line.split() for line in proxy.splitlines() if line.strip().startswith("bind ")]
    tls = "ssl crt /run/secrets/tls.pem"
    assert [":8443", ":8444"] == [bind[1] for bind in binds if tls in " ".join(bind)]
    assert ["127.0.0.1:8404"] == [bind[1] for bind in binds if "ssl" not in bind]
    assert ["443:8443", "8443:8444"] == services["proxy"]["ports"]


def test_the_proxys_configuration_is_made_from_the_deployed_one() -> None:
    """Else run `python -m tools.compose_haproxy`. The addresses in it are those of the containers,
    and no other container can be given them."""
    assert compose_haproxy.text() == compose_haproxy.TARGET.read_text()
    services, network = compose()["services"], compose()["networks"]["default"]
    fixed = {
        name: service["networks"]["default"]["ipv4_address"]
        for name, service in services.items()
        if "networks" in service
    }
    assert compose_haproxy.GATEWAY == fixed["gateway"]
    assert compose_haproxy.CONSOLE_ADDRESS == fixed["console"]
    given = ip_network(network["ipam"]["config"][0]["ip_range"])
    assert not [name for name, address in fixed.items() if ip_address(address) in given]


@pytest.mark.parametrize("role", list(Role))
def test_a_service_gets_what_its_role_needs(role: Role) -> None:
    """No secret of another role; no secret in the file; the emulator's credentials are not
    secret."""
    service = compose()["services"][role]
    names = {
        name.removeprefix(PREFIX) for name in service["environment"] if not name.startswith("AWS_")
    }
    wanted = settings_of(role, Settings())
    bare = {name.removesuffix("_FILE") for name in names if not name.startswith("KAFKA_")}
    assert bare <= wanted
    for secret in SECRETS:
        assert f"{PREFIX}{secret.upper()}" not in service["environment"]
    mounted = {f"/run/secrets/{name}" for name in service.get("secrets", ())}
    used = {v for k, v in service["environment"].items() if k.endswith("_FILE")}
    assert mounted == used


@pytest.mark.parametrize("name", compose()["services"])
def test_a_container_can_do_little(name: str) -> None:
    """It gains no privileges, keeps few, and its log does not fill the disk; ours cannot write to
    their own file system."""
    service = compose()["services"][name]
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert {"max-size", "max-file"} == set(service["logging"]["options"])
    if service["image"] in OWN_IMAGES:
        assert service["read_only"] is True
        assert "cap_add" not in service


def test_make_secrets_makes_what_compose_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run changes nothing; others cannot enter the directory; the settings accept them."""
    made, texts = tmp_path / "secrets", list[dict[str, str]]()
    for _ in range(2):
        run = subprocess.run(
            [str(INFRA / "make-secrets"), str(made)], check=True, capture_output=True, text=True
        )
        assert "twilio-auth-token" in run.stderr
        assert 0o700 == stat.S_IMODE(made.stat().st_mode)
        texts.append({path.name: path.read_text() for path in made.iterdir()})
    assert texts[0] == texts[1]
    mounted = {Path(secret["file"]).name for secret in compose()["secrets"].values()}
    assert mounted == {*texts[0], "twilio-auth-token", "tls.pem"}
    for name in ("TICKET_SECRET", "CONSOLE_TOKEN", "DATABASE_URL"):
        file = made / name.lower().replace("_", "-")
        monkeypatch.setenv(f"{PREFIX}{name}_FILE", str(file))
    assert texts[0]["database-password"].strip() in str(load(None).database_url)


def test_the_image_holds_what_the_roles_need_and_nothing_else() -> None:
    """Its lock has the project's dependencies, in the versions that are tested, and neither tests
    nor emulators."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    image, tested = pins("requirements-image.lock"), pins("requirements.lock")
    assert image.items() <= tested.items()
    named = {re.split(r"[\[=]", each)[0] for each in project["dependencies"]}
    assert named <= image.keys()
    extras = project["optional-dependencies"]
    kept_out = {re.split(r"[\[=]", each)[0] for each in (*extras["dev"], *extras["local"])}
    assert not kept_out & image.keys()
    assert "requirements-image.lock" in (INFRA / "Dockerfile").read_text()
    assert "infra/deploy/secrets" in (ROOT / ".dockerignore").read_text().split()


def test_the_image_keeps_its_directories_to_its_user() -> None:
    """State and recordings are made with a mode that shuts others out; volumes inherit it."""
    dockerfile = (INFRA / "Dockerfile").read_text().replace("\\\n", " ")
    [made] = [line for line in dockerfile.splitlines() if "install -d -m 0700" in line]
    for directory in ("recordings", "lake", "state"):
        assert f"/var/lib/flexcapture/{directory}" in made
    assert "mkdir" not in dockerfile


def test_compose_and_the_local_broker_are_the_same_kafka() -> None:
    """The version in compose.yaml is the version of the jars in pom.xml."""
    version = (ROOT / "infra/local/pom.xml").read_text().split("<version>")[2].split("<")[0]
    assert f"apache/kafka:{version}" in (INFRA / "compose.yaml").read_text()
    assert "4.3.1" == version
