"""Find out what a registry can do before anything is registered, with subjects that exist only for
this.

Some registries (Confluent's) can store a schema under a given id, in the mode IMPORT. Others answer
that they are in that mode and assign their own id nevertheless, so only the result counts.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

from schemas.codec import OUR_IDS
from schemas.registry.http import RegistryAnswer, RegistryError, RegistryHttp

RESERVED_SUBJECT = "flexcapture.reserved-ids"
RESERVED_ID = OUR_IDS[-1]
"""The last id of our block. A registry that accepts our ids assigns its own ids after the greatest
one that it has. Once it has this one, its own ids lie beyond the block and can never be needed for
a later schema of ours."""
RESERVED_SCHEMA = (
    '{"type":"record","name":"ReservedIds","namespace":"flexcapture","doc":"Not used by any record.'
    " It has the last id of flexcapture's block, so that the registry assigns no id within the"
    ' block to another schema. Do not delete it.","fields":[]}'
)
PROBE_SUBJECT = "flexcapture.probe"
_PROBE_SCHEMA = (
    '[{"type":"record","name":"ProbeA","namespace":"flexcapture","doc":"A registration tries out '
    'whether the registry takes schemas. It can be deleted.","fields":[{"name":"at","type":{"type":'
    '"long","logicalType":"timestamp-millis"}}]},{"type":"record","name":"ProbeB","namespace":'
    '"flexcapture","fields":[{"name":"ids","type":{"type":"array","items":"int"}}]}]'
)
_READ_ONLY = frozenset({"READONLY", "READONLY_OVERRIDE"})


def refuse_read_only(registry: RegistryHttp) -> None:
    """Raise `RegistryError` if the registry reports that it is read-only. Not every registry
    does."""
    with suppress(RegistryAnswer):
        answer = registry.get("/mode")
        if isinstance(answer, dict) and answer.get("mode") in _READ_ONLY:
            raise RegistryError(f"the schema registry at {registry.address} is read-only")


def takes_our_ids(registry: RegistryHttp) -> bool:
    """Return whether the registry stores a schema under the id that a request gives.

    If so, `RESERVED_SUBJECT` then exists; if not, the attempt has left nothing behind. Raise
    `RegistryError` if the registry fails, or knows neither of the credentials.
    """
    path = f"/subjects/{quote(RESERVED_SUBJECT)}/versions"
    body = {"schemaType": "AVRO", "schema": RESERVED_SCHEMA, "id": RESERVED_ID, "version": 1}
    try:
        with importing(registry, RESERVED_SUBJECT):
            if registry.ask("POST", path, body).get("id") == RESERVED_ID:
                return True
    except RegistryAnswer as answer:
        if answer.status == 401 or (answer.status >= 500 and answer.status != 501):
            raise
        return False
    delete_subject(registry, RESERVED_SUBJECT)
    return False


def try_out(registry: RegistryHttp) -> str | None:
    """Register a schema in a subject of its own, and delete it.

    Return a text if it could not be deleted. Raise `RegistryError` if the registry refuses it, or
    assigns an id within our block.
    """
    path = f"/subjects/{quote(PROBE_SUBJECT)}/versions"
    body = {"schemaType": "AVRO", "schema": _PROBE_SCHEMA}
    if registry.find(path) is not None:  # a process was killed here, perhaps of another release
        with suppress(RegistryAnswer):
            delete_subject(registry, PROBE_SUBJECT)
    try:
        found = registry.ask("POST", path, body).get("id")
    except RegistryAnswer as answer:
        why = {401: "knows neither user nor password", 403: "permits no registration"}
        text = why.get(answer.status, "takes no schema")
        raise RegistryError(f"the schema registry {text}: {answer}") from answer
    undeleted = None
    try:
        delete_subject(registry, PROBE_SUBJECT)
    except RegistryError as error:
        undeleted = f"the subject {PROBE_SUBJECT} could not be deleted: {error}"
    if found in OUR_IDS:
        raise RegistryError(
            f"the registry assigns ids within our own block ({found}): permit the mode IMPORT for "
            f"{RESERVED_SUBJECT}, which moves them beyond it"
        )
    return undeleted


@contextmanager
def importing(registry: RegistryHttp, subject: str) -> Iterator[None]:
    """Put a subject into the mode IMPORT during the block, and then back."""
    path = f"/mode/{quote(subject, safe='')}"
    registry.ask("PUT", f"{path}?force=true", {"mode": "IMPORT"})
    try:
        yield
    finally:
        try:
            registry.ask("DELETE", path)
        except RegistryAnswer:  # older registries cannot delete a mode; it may be gone already
            with suppress(RegistryAnswer):
                registry.ask("PUT", path, {"mode": "READWRITE"})


def delete_subject(registry: RegistryHttp, subject: str) -> None:
    """Delete a subject for good, with its settings. Raise `RegistryError` if it stays."""
    path = quote(subject, safe="")
    _delete(registry, f"/subjects/{path}")
    with suppress(RegistryAnswer):  # not every registry has a second, permanent deletion
        _delete(registry, f"/subjects/{path}?permanent=true")
    with suppress(RegistryAnswer):
        _delete(registry, f"/config/{path}")


def delete_version(registry: RegistryHttp, subject: str, number: int) -> None:
    """Delete a version of a subject for good. Raise `RegistryError` if it stays."""
    path = f"/subjects/{quote(subject, safe='')}/versions/{number}"
    _delete(registry, path)
    with suppress(RegistryAnswer):
        _delete(registry, f"{path}?permanent=true")


def _delete(registry: RegistryHttp, path: str) -> None:
    try:
        registry.ask("DELETE", path)
    except RegistryAnswer as answer:
        if answer.status != 404:
            raise
