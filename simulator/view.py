"""The demo's output: a live table of the calls, or plain lines if the output is not a terminal, and
the result at the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console as Terminal
from rich.table import Table
from rich.text import Text

from simulator.player import CallProgress, Played
from simulator.script import Json
from simulator.world import World

FRAME_LINES = 7
WIDE = 100
RECOVERED = "twilio-recording"
STYLES = {
    CallProgress.WAITING: "dim",
    CallProgress.ON: "cyan",
    CallProgress.CHECKING: "yellow",
    CallProgress.RIGHT: "green",
    CallProgress.WRONG: "bold red",
}


@dataclass(slots=True)
class Board:
    """The present state of the demo. `calls`: the console's calls in progress, by task SID."""

    played: Sequence[Played]
    calls: dict[str, Json] = field(default_factory=dict)
    connections: int = 0
    frames: int = 0


def live_table(board: Board, world: World, height: int) -> Table:
    """Return a table of the calls that have begun, with the state of each. If they do not all fit
    into `height` lines, leave out those that are done."""
    table = Table(title="Calls in the simulated contact center", box=SIMPLE_HEAD, expand=True)
    table.add_column("call", no_wrap=True, ratio=3)
    table.add_column("", no_wrap=True)
    table.add_column("connections", no_wrap=True, ratio=2)
    table.add_column("media", no_wrap=True)
    for name in ("sent", "received", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    begun = [one for one in board.played if one.progress is not CallProgress.WAITING]
    if len(begun) > height - FRAME_LINES:
        begun = [one for one in begun if not one.done]
    for played in begun:
        table.add_row(*_live_row(played, board, world))
    table.caption = _caption(board)
    return table


def _caption(board: Board) -> str:
    waiting = sum(one.progress is CallProgress.WAITING for one in board.played)
    done = sum(one.done for one in board.played)
    return (
        f"{waiting} calls to come, {done} done; "
        f"gateway: {board.connections} sockets, {board.frames:,} frames"
    )


def _live_row(played: Played, board: Board, world: World) -> tuple[str | Text, ...]:
    call = board.calls.get(played.script.task_sid, {})
    connections = ", ".join(
        f"{connection['extension'].partition('@')[0]} {connection['state']}"
        for connection in call.get("connections", ())
    )
    streams = ", ".join(stream["state"] for stream in call.get("streams", ()))
    received, lost = frames(played)
    return (
        played.script.title,
        Text(played.progress.value, STYLES[played.progress]),
        connections,
        streams,
        str(_sent(played, world) or ""),
        received,
        lost,
    )


def frames(played: Played) -> tuple[str, str]:
    """Return the numbers of frames received and lost in a call's recordings. They are empty before
    a recording is complete: until then the console has not counted them."""
    recordings = played.contact["recordings"] if played.contact else []
    counts = [one["frames"] for one in recordings if one["state"] == "complete"]
    if not counts:
        return "", ""
    return str(sum(c["received"] for c in counts)), str(sum(c["lost"] for c in counts))


def result_table(played: Sequence[Played], width: int) -> Table:
    """Return a table of each call with its recordings.

    If `width` allows it, the columns include `began`: the time from the answer to the first audio,
    and `there`: the time from the end of the call until contact and audio were available.
    """
    wide = width >= WIDE
    table = Table(title="Results of the calls", box=SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("call", no_wrap=True, ratio=1)
    for name in ("outcome", "recorded"):
        table.add_column(name, no_wrap=True)
    for name in ("frames", "lost", *(("agents", "began", "there") if wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in played:
        table.add_row(*_result_row(one, wide))
    return table


def _result_row(played: Played, wide: bool) -> tuple[str | Text, ...]:
    contact = played.contact or {}
    recordings = contact.get("recordings", [])
    seconds = ", ".join(_length(recording) for recording in recordings)
    nothing = "no" if played.script.expectation.recordings else "no, rightly"
    more = (
        str(len(contact.get("sessions", []))),
        _seconds(played.began_after),
        _seconds(played.settled_after),
    )
    return (
        played.script.title,
        str(contact.get("outcome", "")),
        seconds or nothing,
        *frames(played),
        *(more if wide else ()),
        Text(played.progress.value, STYLES[played.progress]),
    )


def _length(recording: Json) -> str:
    seconds = f"{(recording['duration_ms'] or 0) / 1000:.1f} s"
    return f"{seconds} recovered" if recording.get("source") == RECOVERED else seconds


def _seconds(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def print_result(terminal: Terminal, played: Sequence[Played]) -> None:
    """Print the table, and below it the differences."""
    terminal.print(result_table(played, terminal.width))
    for one in played:
        for difference in one.differences:
            text = f"{one.script.title} ({one.script.task_sid}): {difference}"
            terminal.print(text, style="red", markup=False, highlight=False)
    right = sum(one.progress is CallProgress.RIGHT for one in played)
    terminal.print(f"{right} of {len(played)} calls came out as they must.", highlight=False)


def _sent(played: Played, world: World) -> int:
    legs = (world.legs[sid] for sid in played.script.legs if sid in world.legs)
    return sum(len(stream.sent) for leg in legs for stream in leg.media_streams)
