"""`python -m tools.states_doc`: write docs/states.md, the diagrams of the states.

The diagrams are drawn from the tables of transitions in the code. A test fails if the page is
stale.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.media.socket_state import SOCKET_TRANSITIONS
from gateway.sockets.websocket import PHASE_TRANSITIONS
from pipeline.streams.transitions import DECISION_TRANSITIONS, LEG_TRANSITIONS, STREAM_TRANSITIONS
from pipeline.transitions import Transition
from pipeline.twilio.circuit_breaker import BREAKER_TRANSITIONS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "states.md"

_HEAD = """\
# States

Written by `python -m tools.states_doc` from the tables of transitions in the code; do not edit this
page. A property test of each machine checks that it makes no other transition.
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A section of the page: the title, the module of the table, and the table."""

    title: str
    module: str
    table: Sequence[Transition[Any]]


MACHINES = (
    Machine("Decision on a call", "pipeline/streams/transitions.py", DECISION_TRANSITIONS),
    Machine("Media stream", "pipeline/streams/transitions.py", STREAM_TRANSITIONS),
    Machine("Leg of a media stream", "pipeline/streams/transitions.py", LEG_TRANSITIONS),
    Machine("Circuit breaker of Twilio requests", "pipeline/twilio/circuit_breaker.py",
            BREAKER_TRANSITIONS),
    Machine("WebSocket in the gateway", "gateway/sockets/websocket.py", PHASE_TRANSITIONS),
    Machine("Media Streams socket in the gateway", "gateway/media/socket_state.py",
            SOCKET_TRANSITIONS),
)  # fmt: skip


def page() -> str:
    """Return the text of the page."""
    return "\n".join([_HEAD, *map(_section, MACHINES)])


def _section(machine: Machine) -> str:
    what = inspect.getdoc(type(machine.table[0].after)) or ""
    diagram = "\n".join(("stateDiagram-v2", *_edges(machine.table)))
    text = " ".join(what.split())
    return f"## {machine.title}\n\n{text} `{machine.module}`.\n\n```mermaid\n{diagram}\n```\n"


def _edges(table: Sequence[Transition[Any]]) -> Iterator[str]:
    left = {transition.before for transition in table}
    for transition in table:
        before = "[*]" if transition.before is None else transition.before
        cause = f": {transition.cause}" if transition.cause else ""
        yield f"    {before} --> {transition.after}{cause}"
    for last in dict.fromkeys(t.after for t in table if t.after not in left):
        yield f"    {last} --> [*]"


if __name__ == "__main__":
    PAGE.write_text(page())
