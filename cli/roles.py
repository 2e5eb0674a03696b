"""The roles. Each is imported only when it is asked for, so that a role starts quickly."""

from collections.abc import Callable, Mapping

from pipeline.runtime.process import RoleMain
from pipeline.runtime.settings import Role


def _bridge() -> RoleMain:
    from bridge.service import run

    return run


def _tracker() -> RoleMain:
    from agents.tracker import run

    return run


def _resolver() -> RoleMain:
    from agents.resolver import run

    return run


def _stream_manager() -> RoleMain:
    from agents.stream_manager import run

    return run


def _twilio_adapter() -> RoleMain:
    from agents.twilio_adapter.service import run

    return run


def _gateway() -> RoleMain:
    from gateway.server import run

    return run


def _recorder() -> RoleMain:
    from agents.recorder.service import run

    return run


def _consolidator() -> RoleMain:
    from agents.consolidator import run

    return run


def _console() -> RoleMain:
    from console.server import run

    return run


ROLES: Mapping[Role, Callable[[], RoleMain]] = {
    Role.BRIDGE: _bridge,
    Role.TRACKER: _tracker,
    Role.RESOLVER: _resolver,
    Role.STREAM_MANAGER: _stream_manager,
    Role.TWILIO_ADAPTER: _twilio_adapter,
    Role.GATEWAY: _gateway,
    Role.RECORDER: _recorder,
    Role.CONSOLIDATOR: _consolidator,
    Role.CONSOLE: _console,
}
"""Import a role and return its `run(settings, health, stop)`."""
