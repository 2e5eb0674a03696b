"""HAProxy in front of the gateways of one `flexcapture up`, with the deployed configuration."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.local.downloads import MissingTool
from infra.local.haproxy_configuration import Addresses, configured
from infra.state_dir import write_private

DEPLOYED = Path(__file__).parent.parent / "deploy" / "haproxy.cfg"
ADMIN_SOCKET = "admin.sock"
"""Relative to the directory, because the path of a socket can have at most 107 characters."""
_CONFIGURATION = "haproxy.cfg"
_SYSTEM_PROGRAMS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Directories that are not in the PATH of every user."""
_CHECK_SECONDS = 30


class WrongHaproxy(RuntimeError):
    """HAProxy refuses the configuration. The text has its output."""


def haproxy_binary() -> str:
    """Return the path of HAProxy. Raise `MissingTool`, which names the package."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PROGRAMS}"
    found = shutil.which("haproxy", path=path)
    if found is None:
        raise MissingTool(
            "HAProxy is not installed: install the package haproxy (Debian: apt install haproxy)"
        )
    return found


@dataclass(frozen=True, slots=True)
class LocalHaproxy:
    """HAProxy with its files in `directory`."""

    directory: Path
    addresses: Addresses

    def prepare(self) -> list[str]:
        """Write the configuration and let HAProxy check it. Return the command that runs it.

        SIGUSR2 to its process makes it read the configuration again and keep all connections;
        SIGTERM closes them. Raise `MissingTool`, `WrongHaproxy`, `WrongConfiguration`.
        """
        binary = haproxy_binary()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.directory / _CONFIGURATION
        write_private(file, configured(DEPLOYED.read_text(), self.addresses))
        arguments = ["-C", str(self.directory), "-f", _CONFIGURATION]
        checked = subprocess.run(  # noqa: S603
            [binary, "-c", *arguments],
            capture_output=True, text=True, check=False, timeout=_CHECK_SECONDS,
        )  # fmt: skip
        if checked.returncode != 0:
            raise WrongHaproxy(f"HAProxy refuses {file}:\n{checked.stderr}{checked.stdout}".strip())
        return [binary, "-W", "-db", *arguments]
