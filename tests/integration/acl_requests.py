"""Kafka's request CreateAcls, which aiokafka does not have."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

from pipeline.runtime.acls import Acl, Operation, ResourceType

TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5
READ, WRITE = 3, 4
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3
_RESOURCE_TYPES = {
    ResourceType.TOPIC: TOPIC,
    ResourceType.GROUP: GROUP,
    ResourceType.TRANSACTIONAL_ID: TRANSACTIONAL_ID,
}
_OPERATIONS = {Operation.READ: READ, Operation.WRITE: WRITE}


class Creation(NamedTuple):
    """An ACL as the protocol has it."""

    resource_type: int
    name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission_type: int


def creation(principal: str, acl: Acl) -> Creation:
    """Return what creates an ACL for a principal."""
    return Creation(
        _RESOURCE_TYPES[acl.resource_type],
        acl.name,
        _PREFIXED if acl.is_prefix else _LITERAL,
        principal,
        "*",
        _OPERATIONS[acl.operation],
        _ALLOW,
    )


class _CreateAclsResponse(Response):  # type: ignore[misc]
    API_KEY = 30
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("results", Array(("error_code", Int16), ("error_message", String("utf-8")))),
    )


class _CreateAclsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 30
    API_VERSION = 1
    RESPONSE_TYPE = _CreateAclsResponse
    SCHEMA = Schema(
        (
            "creations",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                ("pattern_type", Int8),
                ("principal", String("utf-8")),
                ("host", String("utf-8")),
                ("operation", Int8),
                ("permission_type", Int8),
            ),
        )
    )


class CreateAcls(Request[_CreateAclsStruct]):  # type: ignore[misc]
    """Creates ACLs."""

    API_KEY = 30

    def __init__(self, creations: Iterable[Creation]) -> None:
        self._creations = [tuple(each) for each in creations]

    @classmethod
    def on_prefix(cls, principal: str, kind: int, prefix: str, operations: Iterable[int]) -> Any:
        """Allow operations on what begins with a prefix."""
        return cls(
            Creation(kind, prefix, _PREFIXED, principal, "*", operation, _ALLOW)
            for operation in operations
        )

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._creations)
