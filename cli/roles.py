"""The roles. Each is imported only when it is run, so that a role starts quickly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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


def _lander() -> RoleMain:
    from agents.lander.service import run

    return run


def _retriever() -> RoleMain:
    from agents.retriever.service import run

    return run


def _reconciler() -> RoleMain:
    from agents.reconciler.service import run

    return run


@dataclass(frozen=True, slots=True)
class RoleEntry:
    """A role as the command line knows it.

    - `summary`: what one process of it does, for the help.
    - `load`: imports the role and returns its `run(settings, health, stop)`.
    - `on_kafka`: whether it reads or writes topics.
    - `patience_s`: after how long (s) it starts even if Kafka is unavailable; None: it waits.
    - `needs`: the record types that it writes. It starts once the schema registry has ids for
      these; None: for all.
    - `on_uvloop`: whether it runs on uvloop, for roles that move many small packets. Faust is
      tested on asyncio's own loop only.
    """

    summary: str
    load: Callable[[], RoleMain]
    on_uvloop: bool = False
    on_kafka: bool = True
    patience_s: float | None = None
    needs: frozenset[str] | None = None


GATEWAY_WRITES = frozenset(
    {
        "ClockProbe",
        "GatewayAlive",
        "GatewayStarted",
        "HandshakeRefused",
        "MediaBatch",
        "MediaDropped",
        "MediaStreamClosed",
        "MediaStreamObserved",
        "MediaStreamOpened",
    }
)

ROLES: Mapping[Role, RoleEntry] = {
    Role.BRIDGE: RoleEntry("copies CTI events from Kinesis to Kafka", _bridge, on_uvloop=True),
    Role.TRACKER: RoleEntry("keeps the state of every call", _tracker),
    Role.RESOLVER: RoleEntry("finds the task of events that have only a call SID", _resolver),
    Role.STREAM_MANAGER: RoleEntry("decides which media streams run", _stream_manager),
    Role.TWILIO_ADAPTER: RoleEntry(
        "starts and stops media streams at Twilio", _twilio_adapter, on_uvloop=True
    ),
    Role.GATEWAY: RoleEntry(
        "receives the audio over WebSockets",
        _gateway,
        on_uvloop=True,
        patience_s=3.0,
        needs=GATEWAY_WRITES,
    ),
    Role.RECORDER: RoleEntry("writes the recordings", _recorder, on_uvloop=True),
    Role.CONSOLIDATOR: RoleEntry("joins calls and recordings in the database", _consolidator),
    Role.CONSOLE: RoleEntry("serves the web portal", _console, on_kafka=False),
    Role.LANDER: RoleEntry("writes topics as Parquet files", _lander, on_uvloop=True),
    Role.RETRIEVER: RoleEntry("fetches missed audio from Twilio's recordings", _retriever),
    Role.RECONCILER: RoleEntry("compares calls with Twilio's own records", _reconciler),
}
