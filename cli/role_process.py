"""Run a role in this process: its event loop, its end, and the error that ends it."""

import asyncio
import logging
import signal
import sys

import structlog
import uvloop

from cli.messages import OK, WRONG, print_error, root_cause
from cli.roles import ROLES, RoleEntry
from pipeline.error_text import typed_error_text
from pipeline.runtime.permissions import refuse_open_paths
from pipeline.runtime.process import run_role
from pipeline.runtime.schema_ids_follower import with_schema_ids
from pipeline.runtime.settings import Role, Settings, SettingsError


def run_own(role: Role, settings: Settings) -> int:
    """Run a role of the pipeline until it ends. Return the exit status."""
    return run_process(role, ROLES[role], settings)


def run_process(role: str, entry: RoleEntry, settings: Settings) -> int:
    """Run a role in this process until it ends. Return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(OK))  # until the role has its own handler
    refuse_open_paths(settings)
    role_main = entry.load()
    if entry.on_kafka:
        role_main = with_schema_ids(role_main, entry.patience_s, entry.needs)
    work = run_role(role, role_main, settings)
    loop_factory = uvloop.new_event_loop if entry.on_uvloop else None
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(work)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending
    except Exception as error:  # noqa: BLE001 - any error ends the process, with a message
        return failed(role, error)
    return OK


def failed(role: str, error: Exception) -> int:
    """Log and print the error that ended a role. Return the exit status."""
    cause = root_cause(error)
    if isinstance(cause, SettingsError):
        return print_error(cause, WRONG)
    structlog.get_logger(__name__).critical("failed", exc_info=error)
    logging.shutdown()
    return print_error(f"{role}: {typed_error_text(cause)}")
