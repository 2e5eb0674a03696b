"""`flexcapture schemas register | export | check`."""

import argparse
import asyncio
from pathlib import Path

from aiokafka.errors import KafkaError

from cli.messages import FAILED, OK, print_error, print_message
from pipeline.error_text import error_text
from pipeline.runtime.endpoints import settings_for
from pipeline.runtime.schema_ids import read_known
from pipeline.runtime.schema_registration import register_schemas
from pipeline.runtime.settings import PREFIX, Settings, SettingsError
from schemas.codec import Undecodable
from schemas.registry.differences import differences, differing_ids
from schemas.registry.export import INDEX, exported
from schemas.registry.http import RegistryError, RegistryHttp
from schemas.registry.present import read_present
from schemas.registry.register import Registration
from schemas.registry.subjects import served_subjects


def run(settings: Settings, asked: argparse.Namespace, default: Path) -> int:
    """Run the command. Return the exit status: 0, or 1 if it fails, or if a check finds something.

    `default`: the state directory of `up` without settings. Raise `SettingsError`, and
    `NotRunning`.
    """
    try:
        match asked.action:
            case "register":
                return _register(settings_for(settings, asked.state_dir, default), asked)
            case "export":
                return _export(settings, asked.directory)
            case _:
                return _check(settings, asked, default)
    except (RegistryError, KafkaError, Undecodable, TimeoutError, OSError) as error:
        return print_error(error_text(error))


def _register(settings: Settings, asked: argparse.Namespace) -> int:
    if asked.if_configured and settings.schema_registry_url is None:
        print_message("no schema registry is configured")
        return OK
    made = asyncio.run(
        register_schemas(settings, _url(settings), assigned_ids=asked.assigned_ids, say=print)
    )
    assert made is not None
    print(summary(made))
    for note in made.notes:
        print_message(note)
    return OK


def summary(made: Registration) -> str:
    """Return the last line of the output of `register`."""
    ids = sorted(each.id for each in made.record.schemas)
    kind = "our fixed ids" if made.takes_our_ids else f"ids of its own, {ids[0]} to {ids[-1]}"
    return (
        f"{made.record.registry}: {len(made.added)} versions registered, {made.present} were "
        f"there; it has {kind}"
    )


def _export(settings: Settings, directory: Path) -> int:
    files = exported(settings.topic_prefix)
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text, "utf-8")
    print(f"{len(files) - 1} schemas are in {directory}; {INDEX} has their ids and subjects")
    return OK


def _check(settings: Settings, asked: argparse.Namespace, default: Path) -> int:
    url = _url(settings)
    reachable = _with_kafka(settings, asked, default)
    prefix = (reachable or settings).topic_prefix
    subjects = served_subjects(prefix)
    registry = RegistryHttp(url)
    present = read_present(registry, subjects)
    found = differences(subjects, present)
    if reachable is None:
        print_message(f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS is not set: the ids are not compared")
    else:
        known = asyncio.run(read_known(reachable))
        found += differing_ids(subjects, present, known.of(registry.address))
    for line in found:
        print(line)
    if not found:
        print(f"{registry.address}: {len(subjects)} subjects are as they must be")
    return FAILED if found else OK


def _with_kafka(settings: Settings, asked: argparse.Namespace, default: Path) -> Settings | None:
    try:
        return settings_for(settings, asked.state_dir, default)
    except SettingsError:
        return None


def _url(settings: Settings) -> str:
    url: str = settings.need(
        "schema_registry_url", "the address of a registry; that of `up` has the schemas already"
    )
    return url
