"""The demo's result as a file, for programs: `DIR/demo-result.json`."""

import json
from collections.abc import Sequence
from pathlib import Path

from simulator.player import Played, Progress
from simulator.script import Json

RESULT_FILE = "demo-result.json"


def write_result(path: Path, played: Sequence[Played]) -> None:
    """Writes what came of each call, by rename."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"calls": [_row(one) for one in played]}, indent=2) + "\n")
    new.replace(path)


def _row(played: Played) -> Json:
    script = played.script
    return {
        "case": script.case,
        "title": script.title,
        "task_sid": script.task_sid,
        "right": played.progress is Progress.RIGHT,
        "began_after_ms": played.began_after,
        "settled_after_ms": played.settled_after,
        "differences": played.differences,
    }
