"""Register the schemas in the configured registry. This blocks.

Our ids are used if the registry accepts them, else its own. Existing versions are not changed. A
registration that fails deletes the versions that it added, and the next one begins again.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from urllib.parse import quote

from schemas.records import RegisteredSchemas
from schemas.registry.assignment import ambiguities, names_of, registered
from schemas.registry.avro_schemas import comparable
from schemas.registry.http import RegistryAnswer, RegistryAway, RegistryError, RegistryHttp
from schemas.registry.members import (
    NOT_FOUND,
    MissingMember,
    any_schema,
    finds_deleted,
    hide,
    missing_members,
)
from schemas.registry.present import (
    MissingVersion,
    Present,
    ids_in,
    missing_versions,
    out_of_order,
    read_present,
)
from schemas.registry.probe import (
    RESERVED_SUBJECT,
    delete_subject,
    delete_version,
    importing,
    refuse_read_only,
    takes_our_ids,
    try_out,
)
from schemas.registry.subjects import SchemaVersion, Subject, served_subjects

_AT_ONCE = 4

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Registration:
    """The result of a registration. `added`: the versions that the registry lacked. `present`: the
    number of versions that it had. `notes`: texts for the operator."""

    record: RegisteredSchemas
    added: tuple[MissingVersion, ...]
    present: int
    takes_our_ids: bool
    notes: tuple[str, ...]


def register(
    url: str,
    topic_prefix: str,
    at: int,
    earlier: RegisteredSchemas | None = None,
    others: Iterable[RegisteredSchemas] = (),
    *,
    assigned_ids: bool = False,
    say: Say = lambda _: None,
) -> Registration:
    """Register every missing version of every subject in the registry at `url`.

    - `at`: the time, ms, for the record of the registration.
    - `earlier`: the last record for this registry; `others`: those for other registries. No id may
      mean another schema in them.
    - `assigned_ids`: use the registry's own ids, even if it accepts ours.
    - `say`: gets a line for each version that is added.

    Raise `RegistryError`; the registry is then as before, as far as it can be reached.
    """
    registry = RegistryHttp(url)
    subjects = served_subjects(topic_prefix)
    present = read_present(registry, subjects)
    missing = missing_versions(subjects, present)
    members = missing_members(registry, subjects)
    work = _Work(registry, present, say, ids_in(subjects, present))
    try:
        if missing or members:
            work.begin(subjects, assigned_ids=assigned_ids)
            # Members first, so that in a new subject the union has the greatest number.
            work.add_members(members, subjects)
            for version in missing:
                work.add(version, subjects[version.subject])
        _verify(registry, missing, work.ids)
        record = _record(registry.address, at, subjects, work.ids, earlier)
        _refuse_ambiguities([record, *others])
    except BaseException as error:
        left = work.undo()
        if isinstance(error, RegistryError) and left:
            raise RegistryError(f"{error}. These could not be removed: {left}") from error
        raise
    ours = all(each.id == each.fixed_id for each in record.schemas)
    total = sum(len(subject.versions) for subject in subjects.values())
    return Registration(record, tuple(missing), total - len(missing), ours, tuple(work.notes))


@dataclass(slots=True)
class _Work:
    """Adds versions, and can remove them again."""

    registry: RegistryHttp
    present: Present
    say: Say
    ids: dict[int, set[int]]
    imports: bool = False
    notes: list[str] = field(default_factory=list)
    _added: list[tuple[str, int | None]] = field(default_factory=list)

    def begin(self, subjects: Mapping[str, Subject], *, assigned_ids: bool) -> None:
        """Find out how versions can be added. Raise `RegistryError`."""
        refuse_read_only(self.registry)
        self._choose_ids(assigned_ids=assigned_ids)
        if not self.imports and (mixed := out_of_order(subjects, self.present)):
            raise RegistryError(
                f"the registry has later versions of {', '.join(mixed)} and lacks earlier ones, "
                "which would become the latest: delete these subjects, and register again"
            )

    def add_members(
        self, missing: Sequence[MissingMember], subjects: Mapping[str, Subject]
    ) -> None:
        """Add schemas of record types to the subjects of unions, for look-ups."""
        # A registry that imports is Confluent's, which finds them. A probe would use up some of its
        # ids.
        if missing and not self.imports and not finds_deleted(self.registry):
            self.notes.append(NOT_FOUND)
            return
        names = names_of(subjects.values())
        for name, group in itertools.groupby(missing, lambda each: each.subject):
            subject, members = subjects[name], [each.version for each in group]
            if not self.present.get(name):
                self._add_member(name, members.pop(0), names)
            with any_schema(self.registry, name, subject.compatibility):
                for version in members:
                    self._add_member(name, version, names)

    def _add_member(self, name: str, version: SchemaVersion, names: Mapping[int, str]) -> None:
        missing = MissingVersion(name, names.get(version.schema_id, name), version)
        is_new = self._put(missing)
        number = hide(self.registry, name, version.text)
        if not is_new:
            self._added.append((name, number))
        self.say(f"{name}: {missing.schema} for look-ups")

    def _choose_ids(self, *, assigned_ids: bool) -> None:
        """Find out whether the registry accepts our ids. A registry that has assigned ids to
        schemas of ours continues to do so."""
        assigned = any(fixed not in found for fixed, found in self.ids.items())
        if not assigned_ids and not assigned:
            had = self.registry.find(f"/subjects/{quote(RESERVED_SUBJECT)}/versions") is not None
            self.imports = had or takes_our_ids(self.registry)
            if self.imports and not had:
                self._added.append((RESERVED_SUBJECT, None))
        if not self.imports and (note := try_out(self.registry)) is not None:
            self.notes.append(note)

    def add(self, missing: MissingVersion, subject: Subject) -> None:
        """Add a version. The first of a new subject also sets its compatibility."""
        name, version = missing.subject, missing.version
        is_new = self._put(missing)
        if self.present.get(name):
            self._added.append((name, self._number(missing)))
        elif is_new:
            self._set_compatibility(name, subject.compatibility)
        ids = sorted(self.ids[version.schema_id])
        self.say(f"{name}: version {version.number} of {missing.schema}, id {ids[-1]}")

    def _put(self, missing: MissingVersion) -> bool:
        """Put a version into its subject. Return whether the subject is new."""
        name, version = missing.subject, missing.version
        known = self.ids.setdefault(version.schema_id, set())
        imports = self.imports and (not known or version.schema_id in known)
        fixed = imports and self._is_free(version)
        body: dict[str, object] = {"schemaType": "AVRO", "schema": version.text}
        if fixed:
            body |= {"id": version.schema_id, "version": version.number}
        is_new = not self.present.get(name) and (name, None) not in self._added
        if is_new:
            self._added.append((name, None))
        with importing(self.registry, name) if fixed else nullcontext():
            found = self._post(missing, body)
        known.add(found)
        return is_new

    def undo(self) -> str:
        """Delete the added versions. Return those that could not be deleted."""
        left = []
        for n, (subject, number) in enumerate(reversed(self._added)):
            try:
                if number is None:
                    delete_subject(self.registry, subject)
                else:
                    delete_version(self.registry, subject, number)
            except RegistryAway:  # the others would each wait for an answer too
                left += [name for name, _ in list(reversed(self._added))[n:]]
                break
            except RegistryError:
                left.append(subject)
        self._added.clear()
        return ", ".join(sorted(set(left)))

    def _is_free(self, version: SchemaVersion) -> bool:
        """Return whether no other schema has our id for this one."""
        found = self.registry.find(f"/schemas/ids/{version.schema_id}")
        return found is None or comparable(str(found.get("schema"))) == comparable(version.text)

    def _post(self, missing: MissingVersion, body: Mapping[str, object]) -> int:
        path = f"/subjects/{quote(missing.subject, safe='')}/versions"
        try:
            return int(self.registry.ask("POST", path, body)["id"])
        except RegistryAnswer as answer:
            raise RegistryError(
                f"the schema registry does not take version {missing.version.number} of "
                f"{missing.schema} as the next one of the subject {missing.subject} "
                f"({answer.status}): {answer.said}"
            ) from answer
        except (KeyError, TypeError, ValueError) as error:
            raise RegistryAway(
                f"the schema registry gives no id for {missing.schema}: {error!r}"
            ) from error

    def _number(self, missing: MissingVersion) -> int:
        path = f"/subjects/{quote(missing.subject, safe='')}"
        found = self.registry.ask("POST", path, {"schema": missing.version.text})
        return int(found["version"])

    def _set_compatibility(self, subject: str, level: str) -> None:
        path = f"/config/{quote(subject, safe='')}"
        try:
            self.registry.ask("PUT", path, {"compatibility": level})
        except RegistryAnswer as answer:
            note = f"the compatibility of subjects could not be set: {answer.said}"
            if note not in self.notes:
                self.notes.append(note)


def _record(
    address: str,
    at: int,
    subjects: Mapping[str, Subject],
    ids: Mapping[int, set[int]],
    earlier: RegisteredSchemas | None,
) -> RegisteredSchemas:
    names = names_of(subjects.values())
    return registered(address, at, names, {each: sorted(ids[each]) for each in names}, earlier)


def _refuse_ambiguities(records: Iterable[RegisteredSchemas]) -> None:
    if wrong := ambiguities(records):
        raise RegistryError(
            f'{wrong[0]} ({len(wrong)} such ids): see docs/registry.md, "Another registry"'
        )


def _verify(
    registry: RegistryHttp, added: Iterable[MissingVersion], ids: Mapping[int, set[int]]
) -> None:
    """Check that the registry returns the added schemas for their ids. Readers ask by id. Raise
    `RegistryError`."""
    texts = {each.version.schema_id: (each.schema, each.version.text) for each in added}
    wanted = [(number, *texts[fixed]) for fixed in texts for number in sorted(ids[fixed])]

    def check(number: int, schema: str, text: str) -> None:
        found = registry.find(f"/schemas/ids/{number}")
        if not isinstance(found, dict) or comparable(str(found.get("schema"))) != comparable(text):
            raise RegistryError(
                f"the schema registry has no {schema}, or another schema, under id {number}"
            )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda each: check(*each), wanted))
