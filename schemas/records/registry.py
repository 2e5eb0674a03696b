"""The ids of schemas in a schema registry."""

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """The ids of a schema: the fixed one, that in the registry, and others that it had there."""

    fixed_id: int
    name: str
    id: int
    other_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RegisteredSchemas:
    """The ids under which a registry has the schemas. `registry`: its address; empty: the fixed ids
    are in force."""

    registry: str
    at: int
    schemas: tuple[RegisteredSchema, ...]
