"""`flexcapture call` on the real Kafka."""

import json
from pathlib import Path

import pytest

from cli.main import main
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.topics import CALLS, RECORDINGS, STREAM_EVENTS, Topic
from tests.cli.call.test_formatting import a_history
from tests.conftest import SettingsFor
from tests.kafka_topics import with_original_timestamps
from tests.pipeline.contacts.records import NOON, TASK, changed, completed, decided, started

pytestmark = pytest.mark.integration

OTHER = "WT" + "b" * 32
HOUR = 3_600_000


async def put(settings: Settings, topic: Topic, *records: tuple[int, object]) -> None:
    """Records with their log times, among those of another call."""
    await ensure_topics(settings, [with_original_timestamps(topic)])
    sender = producer(settings)
    await sender.start()
    try:
        for at, record in records:
            for key in (OTHER, TASK):
                await sender.send_and_wait(
                    settings.prefixed(topic.name), encode(record), key.encode(), timestamp_ms=at
                )
    finally:
        await sender.stop()


@pytest.fixture
async def state_dir(
    settings_for: SettingsFor, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return the directory of an `up` with a call from a month ago on its topics."""
    settings = settings_for(prefix)
    first, second = a_history()
    await put(
        settings, CALLS, (first.at, first.call), (second.at, second.call), (second.at, second.call)
    )
    await put(
        settings,
        STREAM_EVENTS,
        (NOON + 210, decided(210, "record", "started: ann")),
        (NOON + 300, changed(1, "running", 300, "MZ1")),
        (NOON + 5_510, decided(5_510, "stop", "stopped: last monitored agent left")),
    )
    await put(
        settings,
        RECORDINGS,
        (NOON + 310, started(1, 300)),
        (NOON + 5_700, completed(1, 300, 5_300)),
    )
    endpoints = {"kafka": settings.kafka_bootstrap_servers, "topic_prefix": prefix, "roles": {}}
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command; return its status, its output and its errors."""
    status = main(["call", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_every_version_and_the_latest_state(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON and for people."""
    status, out, err = asked(capsys, TASK, "--state-dir", str(state_dir), "--json")
    assert (0, "") == (status, err)
    shown = json.loads(out)
    assert [1, 2] == [version["revision"] for version in shown["versions"]]
    assert ("ended", "stop") == (shown["call"]["state"], shown["decision"]["decision"])
    assert ["1.wav"] == [recording["audio"] for recording in shown["recordings"]]
    status, out, _ = asked(capsys, TASK, "--state-dir", str(state_dir))
    assert 0 == status
    assert "stopped: last monitored agent left" in out


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (200, (1, None, 0)),
        (400, (1, "record", 1)),
        (5_499, (1, "record", 1)),
        (5_600, (2, "stop", 1)),
        (200 * HOUR, (2, "stop", 1)),
    ],
)
def test_the_state_at_a_moment(
    state_dir: Path,
    capsys: pytest.CaptureFixture[str],
    after: int,
    expected: tuple[int, str | None, int],
) -> None:
    """The output has the version that was in force, and the decisions and recordings until then,
    also long afterwards."""
    status, out, _ = asked(
        capsys, TASK, "--state-dir", str(state_dir), "--json", "--at", str(NOON + after)
    )
    shown = json.loads(out)
    assert 0 == status
    decision = shown["decision"] and shown["decision"]["decision"]
    assert expected == (shown["version"]["revision"], decision, len(shown["recordings"]))
    assert expected[0] == shown["call"]["revision"]


def test_a_call_that_was_not_known(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1 and a line: no such call, not yet, or a Kafka without our topics."""
    where = ("--state-dir", str(state_dir))
    for arguments in (("WT" + "0" * 32, *where), (TASK, *where, "--at", str(NOON + 199))):
        status, out, err = asked(capsys, *arguments)
        assert (1, "") == (status, out)
        assert "no call" in err
    endpoints = json.loads((state_dir / "endpoints.json").read_text())
    (state_dir / "endpoints.json").write_text(json.dumps(endpoints | {"topic_prefix": "other."}))
    status, _, err = asked(capsys, TASK, *where)
    assert 1 == status
    assert "no topic other.calls" in err


def test_where_kafka_is(
    state_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an option the usual directory is used; a missing directory is refused."""
    status, _, err = asked(capsys, TASK)
    assert 2 == status
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in err
    (state_dir / ".flexcapture").mkdir()
    (state_dir / "endpoints.json").rename(state_dir / ".flexcapture" / "endpoints.json")
    assert 0 == asked(capsys, TASK)[0]
    status, _, err = asked(capsys, TASK, "--state-dir", "elsewhere")
    assert 1 == status
    assert "no `flexcapture up` runs with elsewhere" in err
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    status, _, err = asked(capsys, TASK)
    assert 1 == status
    assert "cannot be read" in err


@pytest.mark.parametrize(
    "arguments", [["WT1"], [TASK, "--at", "yesterday"], [TASK, "--at", "2026-01-01T00:00:00"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid task SID or an ambiguous time ends with status 2."""
    with pytest.raises(SystemExit) as ended:
        main(["call", *arguments])
    assert 2 == ended.value.code
    assert "error: argument" in capsys.readouterr().err
