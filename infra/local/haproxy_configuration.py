"""The configuration of HAProxy with other addresses than those in `infra/deploy/haproxy.cfg`. Pure.

Only the lines that hold addresses change: the admin socket, `bind`, `server`, and the path of the
public URL. So `flexcapture up`, the tests and compose.yaml run the deployed file.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

_SECTIONS = ("global", "defaults", "frontend", "backend", "listen", "resolvers")
_PATH = "/media"
_SAFE_PATH = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:@/-]*")


class WrongConfiguration(ValueError):
    """The configuration lacks a line that holds an address, or an address cannot be written."""


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """The addresses of a gateway: `media`: host:port of its WebSockets; `health_port`: the port of
    its /healthz on the same host."""

    media: str
    health_port: int


@dataclass(frozen=True, slots=True)
class Addresses:
    """All addresses of a load balancer for gateways.

    - `media`, `health`: host:port to listen on; an empty host: all.
    - `socket`: path of the admin socket.
    - `certificate`: path of the PEM file with certificate and key; None: without TLS.
    - `path`: the path of the public URL.
    - `behind_proxy`: another load balancer is in front and sends PROXY headers.
    """

    media: str
    health: str
    socket: str
    gateways: Sequence[GatewayAddress]
    certificate: str | None
    path: str = _PATH
    behind_proxy: bool = False


def configured(text: str, addresses: Addresses) -> str:
    """Return the configuration `text` with `addresses` in place of its own. Raise
    `WrongConfiguration`."""
    tls = addresses.certificate
    edits: dict[tuple[str, str], _Edit] = {
        ("global", "stats"): lambda lines: [_with_socket(lines[0], addresses.socket)],
        ("frontend media", "bind"): lambda lines: [
            _with_bind(lines[0], addresses.media, tls, behind_proxy=addresses.behind_proxy)
        ],
        ("frontend health", "bind"): lambda lines: [_with_bind(lines[0], addresses.health, None)],
        ("frontend media", "acl"): lambda lines: _with_path(lines, addresses.path),
        ("backend gateways", "server"): lambda lines: _servers(lines[0], addresses.gateways),
        ("backend any-gateways", "server"): lambda lines: _servers(lines[0], addresses.gateways),
    }
    return _edited(text, edits)


def console_configured(text: str, listen: str, certificate: str, console: GatewayAddress) -> str:
    """Return the configuration for consoles, `text`, with other addresses. Raise
    `WrongConfiguration`."""
    return _edited(
        text,
        {
            ("frontend console", "bind"): lambda lines: [_with_bind(lines[0], listen, certificate)],
            ("backend consoles", "server"): lambda lines: _servers(lines[0], [console]),
        },
    )


_Edit = Callable[[Sequence[str]], list[str]]


def _edited(text: str, edits: dict[tuple[str, str], _Edit]) -> str:
    """Replace each run of consecutive lines that one edit is for: by section and first word."""
    made: list[str] = []
    missing = set(edits)
    for key, numbered in groupby(_keyed(text), key=lambda each: each[0]):
        lines = [line for _, line in numbered]
        if key in edits:
            missing.discard(key)
            lines = edits[key](lines)
        made += lines
    if missing:
        named = ", ".join(f"{word} in {section}" for section, word in sorted(missing))
        raise WrongConfiguration(f"the configuration has no {named}")
    return "\n".join(made) + "\n"


def _keyed(text: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield each line with its section and its first word."""
    section = ""
    for line in text.splitlines():
        words = line.split()
        if words and words[0] in _SECTIONS and not line[0].isspace():
            section = " ".join(words)
        yield (section, words[0] if words else ""), line


def _with_socket(line: str, path: str) -> str:
    return re.sub(r"unix@\S+", lambda _: f"unix@{_quoted(path)}", line)


def _with_bind(
    line: str, listen: str, certificate: str | None, *, behind_proxy: bool = False
) -> str:
    indent, word, _, *options = re.split(r"(bind) (\S+)", line, maxsplit=1)
    rest = "".join(options)
    if certificate is None:
        rest = ""
    else:
        rest = re.sub(r"crt \S+", lambda _: f"crt {_quoted(certificate)}", rest)
    return f"{indent}{word} {listen}{' accept-proxy' * behind_proxy}{rest}"


def _with_path(lines: Sequence[str], path: str) -> list[str]:
    if not _SAFE_PATH.fullmatch(path):
        raise WrongConfiguration(f"the public URL's path {path!r} cannot be configured in HAProxy")
    bare = path.rstrip("/")
    whole = {f" {_PATH}": f" {_quoted(path or '/')}", f" {_PATH}/": f" {_quoted(bare + '/')}"}
    return [re.sub(rf" {_PATH}/?$", lambda found: whole[found[0]], line) for line in lines]


def _servers(line: str, gateways: Sequence[GatewayAddress]) -> list[str]:
    """Return a line for each gateway, with the options of the line that is there."""
    found = re.fullmatch(r"(\s*server )(\S+?)-\d+ \S+(.*)", line)
    if found is None:
        raise WrongConfiguration(f"not a server with a number: {line.strip()}")
    indent, name, options = found.groups()
    return [
        f"{indent}{name}-{number} {gateway.media}"
        + re.sub(r"port \d+", f"port {gateway.health_port}", options)
        for number, gateway in enumerate(gateways)
    ]


def _quoted(text: str) -> str:
    """Return a word that HAProxy reads as `text`. Raise `WrongConfiguration`."""
    if any(not character.isprintable() for character in text):
        raise WrongConfiguration(f"{text!r} cannot be written into a configuration of HAProxy")
    plain = re.fullmatch(r"[A-Za-z0-9._/@:%+,=~-]*", text)
    return text if plain else "'" + text.replace("'", "'\\''") + "'"
