"""The demo's output."""

import io

from rich.console import Console as Terminal

from simulator.cases import inbound_monitored, scripts
from simulator.events import Account
from simulator.player import CallProgress, Played
from simulator.script import Json
from simulator.unstreamed import recovered
from simulator.view import print_result

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
COUNTS = {"received": 700, "lost": 0}


def test_the_result_shows_which_recording_was_recovered() -> None:
    """Beside its length; a recording of a media stream has the length alone."""
    made = scripts([inbound_monitored, recovered], 0, 0, ACCOUNT, 1)
    played = [Played(script, CallProgress.RIGHT) for script in made]
    for one, source in zip(played, ("stream", "twilio-recording"), strict=True):
        recording: Json = {"duration_ms": 7_040, "source": source, "state": "complete"}
        one.contact = {"recordings": [recording | {"frames": COUNTS}], "outcome": "answered"}
    file = io.StringIO()
    print_result(Terminal(file=file, width=150), played)
    streamed, fetched = (
        line for line in file.getvalue().splitlines() if line.strip().endswith("right")
    )
    assert "7.0 s recovered" in fetched
    assert "7.0 s" in streamed
    assert "recovered" not in streamed
    assert "2 of 2 calls came out as they must." in file.getvalue()
