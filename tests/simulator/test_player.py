"""The player carries a script out and judges what the product makes of it."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from rich.console import Console as Terminal

from simulator.cases import abandoned, scripts
from simulator.console import ConsoleError
from simulator.events import Account, iso
from simulator.media import clock
from simulator.player import PATIENCE_MS, CallProgress, Played, Player, patience_ms
from simulator.result import RESULT_FILE, write_result
from simulator.script import EventSent, Json, Sids
from simulator.unstreamed import recovered
from simulator.view import Board, live_table, print_result
from simulator.world import World

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)


@dataclass
class FakeSink:
    """Keeps the events that it is given."""

    events: list[Json] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)

    async def put(self, event: Json) -> None:
        self.events.append(event)

    async def put_bytes(self, record: bytes) -> None:
        self.records.append(record)


@dataclass
class FakeConsole:
    """Fails first, then returns the contact."""

    answer: Json | None
    failures: int = 1

    async def contact(self, task_sid: str) -> Json | None:
        if self.failures:
            self.failures -= 1
            raise ConsoleError("not yet")
        return self.answer

    async def withheld(self, task_sid: str) -> list[Json]:
        return []

    async def bytes(self, path: str) -> bytes:
        raise ConsoleError(path)


def _played(ago: int) -> Played:
    """A call that the customer gave up, `ago` ms back, so that it is played at once."""
    (script,) = scripts([abandoned], clock() - ago, 0, ACCOUNT, 1)
    return Played(script)


def _contact(played: Played) -> Json:
    return {
        "task_sid": played.script.task_sid,
        "direction": "inbound",
        "customer": played.script.expectation.customer,
        "state": "ended",
        "outcome": "abandoned",
        "started_at": iso(played.script.begins_at),
        "sessions": [],
        "recordings": [],
        "capture": "not-required",
        "required_ms": 0,
        "captured_ms": 0,
        "gaps": [],
    }


def _shown(played: Played, world: World) -> str:
    terminal = Terminal(file=io.StringIO(), width=160)
    terminal.print(live_table(Board([played]), world, 40))
    print_result(terminal, [played])
    assert isinstance(terminal.file, io.StringIO)
    return terminal.file.getvalue()


async def test_a_right_call_is_judged_right(tmp_path: Path) -> None:
    """All events are sent, the contact is asked for until it is there, and the call is right."""
    played, world, sink = _played(6000), World(Sids(Random(1))), FakeSink()
    player = Player(world, sink, FakeConsole(_contact(played)), lambda line: None)
    await player.play([played], Random(1))
    sent = {s.action.event["id"] for s in played.script.steps if isinstance(s.action, EventSent)}
    assert sent == {event["id"] for event in sink.events}
    assert (CallProgress.RIGHT, []) == (played.progress, played.differences)
    assert "1 of 1 calls came out as they must." in _shown(played, world)
    write_result(tmp_path / RESULT_FILE, [played])
    (row,) = json.loads((tmp_path / RESULT_FILE).read_text())["calls"]
    assert ("abandoned", True) == (row["case"], row["right"])


async def test_a_wrong_call_is_judged_wrong() -> None:
    """If the contact is not as expected in time, the differences are reported."""
    played, world = _played(PATIENCE_MS + 10_000), World(Sids(Random(1)))
    wrong = _contact(played) | {"outcome": "answered"}
    player = Player(world, FakeSink(), FakeConsole(wrong, failures=0), lambda line: None)
    await player.play([played], Random(1))
    assert CallProgress.WRONG is played.progress
    assert ["outcome: 'answered', expected 'abandoned'"] == played.differences
    assert "0 of 1 calls" in _shown(played, world)


async def test_a_call_that_must_be_recovered_is_judged_by_twilios_recording() -> None:
    """It has more time than other calls, because it is fetched only after its end. If the contact
    is missing, this is reported, and also that no media stream was requested."""
    calls = scripts([recovered, abandoned], clock() - 60_000, 0, ACCOUNT, 1)
    assert patience_ms(calls[0]) > patience_ms(calls[1]) == PATIENCE_MS
    played, world = Played(calls[0]), World(Sids(Random(1)))
    player = Player(world, FakeSink(), FakeConsole(None, failures=0), lambda line: None)
    await player.play([played], Random(1))
    not_asked = "a media stream was requested: False, expected True"
    assert [not_asked, "no contact"] == played.differences


async def test_rubbish_is_no_event() -> None:
    """A test event, an unknown event, and things that are no events are sent beside the calls."""
    sink = FakeSink()
    player = Player(World(Sids(Random(1))), sink, FakeConsole(None), lambda line: None)
    await player.rubbish(Sids(Random(2)))
    assert (2, 2) == (len(sink.events), len(sink.records))
