"""The states of a Media Streams socket. Pure."""

from enum import StrEnum

from pipeline.transitions import Transition


class SocketState(StrEnum):
    """The state of a Media Streams socket. DONE: nothing more comes out."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


SOCKET_TRANSITIONS = (
    Transition(None, SocketState.WAITING, "the handshake is accepted"),
    Transition(SocketState.WAITING, SocketState.RUNNING, "start"),
    Transition(SocketState.WAITING, SocketState.DONE, "lost, violation, no start"),
    Transition(
        SocketState.RUNNING,
        SocketState.DONE,
        "stop, lost, violation, no media, not to be recorded",
    ),
)
