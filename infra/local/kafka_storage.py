"""The storage of a new broker, without a run of Kafka's `StorageTool` for each.

`StorageTool format` starts a JVM, which takes a second of processor time. All that it writes for
one broker and another differs in is `meta.properties`, so the rest is copied from a template.
"""

import base64
import re
import uuid
from pathlib import Path

_META = "meta.properties"


def new_storage_id() -> str:
    """Return a random id of a cluster or directory, in the format of Kafka's `Uuid`."""
    made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return f"F{made[1:]}"  # an id that begins with a hyphen would be read as an option


def copy_storage(template: Path, directory: Path, node_id: int, cluster_id: str) -> None:
    """Copy a formatted storage to `directory`, which is new, for another node and cluster. Raise
    `ValueError` if the template has no such ids."""
    text = (template / _META).read_text()
    ids = {"node.id": str(node_id), "cluster.id": cluster_id, "directory.id": new_storage_id()}
    for name, value in ids.items():
        text, count = re.subn(rf"(?m)^{re.escape(name)}=.*$", f"{name}={value}", text)
        if count != 1:
            raise ValueError(f"{template / _META}: {name} is there {count} times, must be once")
    directory.mkdir(parents=True)
    for path in sorted(template.rglob("*")):  # not its modes: the umask decides
        copied = directory / path.relative_to(template)
        if path.is_dir():
            copied.mkdir()
        else:
            copied.write_bytes(path.read_bytes())
    (directory / _META).write_text(text)
