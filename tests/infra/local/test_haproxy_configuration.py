"""The configuration of HAProxy with other addresses."""

import difflib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.haproxy import DEPLOYED, haproxy_binary
from infra.local.haproxy_configuration import (
    Addresses,
    GatewayAddress,
    WrongConfiguration,
    configured,
    console_configured,
)
from tests.certificates import authority
from tests.haproxy import with_haproxy

CONSOLE = DEPLOYED.with_name("haproxy-console.cfg")
PORTS = st.integers(1, 65_535)
GATEWAYS = st.lists(
    st.builds(GatewayAddress, PORTS.map("127.0.0.1:{}".format), PORTS), min_size=1, max_size=9
)
PATHS = st.from_regex(r"(/[A-Za-z0-9._~-]{1,5}){0,3}/?", fullmatch=True)


def addresses(gateways: list[GatewayAddress], **others: object) -> Addresses:
    """Addresses on this machine, without TLS."""
    values = {"certificate": None, "path": "/media", **others}
    return Addresses("127.0.0.1:1", "127.0.0.1:2", "admin.sock", gateways, **values)  # type: ignore[arg-type]


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the lines that were removed, and the lines in their place."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    removed = [line[2:].strip() for line in lines if line.startswith("- ")]
    return removed, [line[2:].strip() for line in lines if line.startswith("+ ")]


def is_valid(directory: Path, text: str, *others: Path) -> str:
    """Return what HAProxy says about a configuration; empty if it is valid."""
    file = directory / "haproxy.cfg"
    file.write_text(text)
    arguments = [part for each in (file, *others) for part in ("-f", str(each))]
    run = subprocess.run(
        [haproxy_binary(), "-c", *arguments],
        capture_output=True, text=True, check=False, cwd=directory,
    )  # fmt: skip
    return run.stderr + ("" if run.returncode == 0 else run.stdout)


@given(GATEWAYS, PATHS)
def test_only_addresses_change(gateways: list[GatewayAddress], path: str) -> None:
    """Each changed line is the admin socket's, a `bind`, a `server`, or holds the URL's path; each
    gateway has one server in both backends, with the options of the deployed file."""
    deployed = DEPLOYED.read_text()
    made = configured(deployed, addresses(gateways, path=path))
    removed, added = changed(deployed, made)
    assert {line.split()[0] for line in (*removed, *added)} <= {"stats", "bind", "server", "acl"}
    servers = [line.split() for line in made.splitlines() if line.split()[:1] == ["server"]]
    checked = [f"server gateway-{n} {g.media} check port {g.health_port}".split()
               for n, g in enumerate(gateways)]  # fmt: skip
    unchecked = [f"server gateway-{n} {g.media}".split() for n, g in enumerate(gateways)]
    assert checked + unchecked == servers
    bare = path.rstrip("/")
    acls = [line.split()[2:] for line in made.splitlines() if line.split()[:1] == ["acl"]]
    assert [["path", path or "/"], ["path_beg", f"{bare}/"]] == acls


def test_its_own_addresses_change_nothing() -> None:
    """The deployed file is the generated one for the same addresses."""
    own = Addresses(
        ":443", "127.0.0.1:8404", "/run/haproxy/admin.sock",
        [GatewayAddress("127.0.0.1:9000", 9100), GatewayAddress("127.0.0.1:9001", 9101)],
        "/etc/haproxy/flexcapture.pem",
    )  # fmt: skip
    assert DEPLOYED.read_text() == configured(DEPLOYED.read_text(), own)
    console = GatewayAddress("127.0.0.1:8080", 9110)
    text = CONSOLE.read_text()
    assert text == console_configured(text, ":8443", "/etc/haproxy/flexcapture.pem", console)


@with_haproxy
def test_haproxy_takes_the_deployed_files(tmp_path: Path) -> None:
    """With and without TLS, behind another load balancer, with odd paths, and with consoles."""
    directory = tmp_path / 'it\'s a "directory" #1'
    directory.mkdir()
    pem = authority(tmp_path).issue("capture.example.com")
    odd = directory / "cert.pem"
    odd.write_text(pem.read_text())
    gateways = [GatewayAddress("127.0.0.1:9000", 9100)]
    deployed = DEPLOYED.read_text()
    for certificate in (None, str(odd)):
        for behind_proxy in (False, True):
            for path in ("", "/media", "/a/b(c)'d/"):
                made = addresses(
                    gateways, certificate=certificate, behind_proxy=behind_proxy, path=path
                )
                assert "" == is_valid(directory, configured(deployed, made))
    console = tmp_path / "console.cfg"
    address = GatewayAddress("127.0.0.1:8080", 9110)
    console.write_text(console_configured(CONSOLE.read_text(), ":8443", str(pem), address))
    assert "" == is_valid(directory, configured(deployed, addresses(gateways)), console)


@with_haproxy
def test_haproxy_refuses_a_wrong_file(tmp_path: Path) -> None:
    """The check of the test before can fail."""
    text = configured(DEPLOYED.read_text(), addresses([GatewayAddress("127.0.0.1:1", 2)]))
    assert "unknown keyword" in is_valid(tmp_path, text.replace("balance", "ballance"))


@pytest.mark.parametrize("word", ["bind", "server", "stats socket", "acl"])
def test_a_file_without_a_line_for_an_address_is_refused(word: str) -> None:
    """It would otherwise run with addresses of its own."""
    lines = DEPLOYED.read_text().splitlines()
    text = "\n".join(line for line in lines if not line.strip().startswith(word))
    with pytest.raises(WrongConfiguration, match=word.split(maxsplit=1)[0]):
        configured(text, addresses([GatewayAddress("127.0.0.1:1", 2)]))


@pytest.mark.parametrize("path", ["/a b", "/a\nb", '/a"', "/ü"])
def test_a_path_that_haproxy_cannot_match_is_refused(path: str) -> None:
    """A line break would add a line of someone else's to the configuration."""
    with pytest.raises(WrongConfiguration, match="path"):
        configured(DEPLOYED.read_text(), addresses([GatewayAddress("127.0.0.1:1", 2)], path=path))
