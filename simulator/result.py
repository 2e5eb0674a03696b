"""Files that the demo writes for other programs: its result, and the settings of its Twilio."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulator.player import CallProgress, Played
from simulator.script import Json

RESULT_FILE = "demo-result.json"
ENV_FILE = "demo-twilio.env"


def write_result(path: Path, played: Sequence[Played]) -> None:
    """Write the result of each call, atomically (by rename)."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"calls": [_row(one) for one in played]}, indent=2) + "\n")
    new.replace(path)


def write_private(path: Path, settings: Mapping[str, str]) -> None:
    """Write settings (names without FLEXCAPTURE_) as lines `NAME=value`, readable by the owner
    only."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"FLEXCAPTURE_{name}={value}\n" for name, value in settings.items())


def _row(played: Played) -> Json:
    script = played.script
    return {
        "case": script.case,
        "title": script.title,
        "task_sid": script.task_sid,
        "right": played.progress is CallProgress.RIGHT,
        "began_after_ms": played.began_after,
        "settled_after_ms": played.settled_after,
        "differences": played.differences,
    }
