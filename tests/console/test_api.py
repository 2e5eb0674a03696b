"""The JSON API, as its contract says."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event

from console.database_health import check_database, watch_database
from schemas.records import ContactContradiction, ContactGap
from tests.console.conftest import TOKEN, Console
from tests.pipeline.store.contacts import CONTACT, LIVE, NOON, RECORDING, numbered

AUDIO = f"/api/recordings/{RECORDING.recording_id}/audio"


@pytest.mark.parametrize(
    "path", ["/api/contacts", "/api/calls", "/api/nothing", "/api/recordings/1", AUDIO, "/api"]
)
@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", "Bearer ", "Basic YTpi", f"Bearer {TOKEN[:-1]}\xe9"]
)
async def test_nothing_without_the_token(
    visitor: httpx.AsyncClient, path: str, authorization: str | None
) -> None:
    """401 and an error in JSON, whether the path exists or not."""
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = await visitor.get(path, headers=headers)
    assert 401 == answer.status_code
    assert "error" in answer.json()


async def test_a_contact_is_shown_as_the_contract_says(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Every field, times as RFC 3339 in UTC with milliseconds, or null."""
    console.repository.save(CONTACT)
    answer = await client.get("/api/contacts")
    assert 200 == answer.status_code
    body = answer.json()
    assert {"contacts", "next"} == set(body)
    assert body["next"] is None
    (contact,) = body["contacts"]
    assert "2026-05-28T20:26:40.000Z" == contact["started_at"]
    assert "2026-05-28T20:27:10.000Z" == contact["ended_at"]
    assert {
        "contact_id", "task_sid", "direction", "customer", "queue", "started_at", "ended_at",
        "state", "outcome", "sessions", "recordings", "decisions", "gaps", "capture",
        "required_ms", "captured_ms", "contradictions",
    } == set(contact)  # fmt: skip
    assert {
        "reservation_sid": "WR" + "3" * 32,
        "extension": "eve@example.com",
        "monitored": False,
        "started_at": None,
        "ended_at": "2026-05-28T20:26:49.000Z",
    } == contact["sessions"][2]
    assert ("partial", 28_000, 19_980) == (
        contact["capture"], contact["required_ms"], contact["captured_ms"],
    )  # fmt: skip
    assert {
        "inum": RECORDING.inum,
        "recording_id": RECORDING.recording_id,
        "task_sid": CONTACT.task_sid,
        "call_sid": RECORDING.call_sid,
        "stream_sid": RECORDING.stream_sid,
        "extension": "ann@example.com",
        "extensions": ["ann@example.com", "bob@example.com"],
        "state": "complete",
        "started_at": "2026-05-28T20:26:42.000Z",
        "duration_ms": 20_000,
        "supplement_of": None,
        "source": "stream",
        "frames": {"received": 2_000, "lost": 3, "duplicate": 1, "invalid": 0, "withheld": 0},
        "lost_for": {"not-received": 2, "not-sent": 1},
        "audio_url": AUDIO,
        "withheld_because": None,
    } == contact["recordings"][0]
    assert {"at", "decision", "reason", "policy_version"} == set(contact["decisions"][0])
    assert contact == (await client.get(f"/api/contacts/{CONTACT.contact_id}")).json()


async def test_gaps_say_where_they_are_and_why(client: httpx.AsyncClient, console: Console) -> None:
    """Gaps before the first recording, after the last, and over the whole call; a missing neighbour
    is null."""
    gaps = (
        ContactGap(NOON, NOON + 1_500, "", RECORDING.inum, "late-start"),
        ContactGap(NOON + 22_000, NOON + 30_000, RECORDING.inum, "", "socket-dropped", "17"),
        ContactGap(NOON + 40_000, NOON + 50_000, "", "", "twilio-refused"),
    )
    console.repository.save(replace(CONTACT, gaps=gaps))
    contact = (await client.get(f"/api/contacts/{CONTACT.contact_id}")).json()
    assert [
        {
            "from": "2026-05-28T20:26:40.000Z",
            "to": "2026-05-28T20:26:41.500Z",
            "duration_ms": 1_500,
            "after": None,
            "before": RECORDING.inum,
            "reason": "late-start",
            "covered_by": None,
        },
        {
            "from": "2026-05-28T20:27:02.000Z",
            "to": "2026-05-28T20:27:10.000Z",
            "duration_ms": 8_000,
            "after": RECORDING.inum,
            "before": None,
            "reason": "socket-dropped",
            "covered_by": "17",
        },
        {
            "from": "2026-05-28T20:27:20.000Z",
            "to": "2026-05-28T20:27:30.000Z",
            "duration_ms": 10_000,
            "after": None,
            "before": None,
            "reason": "twilio-refused",
            "covered_by": None,
        },
    ] == contact["gaps"]


async def test_calls_in_progress(client: httpx.AsyncClient, console: Console) -> None:
    """The connections and media streams of the calls in progress, and of no others."""
    console.repository.save(CONTACT)
    console.repository.save(LIVE)
    (call,) = (await client.get("/api/calls")).json()["calls"]
    assert LIVE.task_sid == call["task_sid"]
    assert "inbound" == call["direction"]
    assert [
        {"extension": "ann@example.com", "state": "active"},
        {"extension": None, "state": "hold"},
    ] == call["connections"]
    assert [
        {
            "stream_sid": None,
            "call_sid": "CA" + "c" * 32,
            "name": "fc-1",
            "state": "starting",
            "reason": "asked for",
        }
    ] == call["streams"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [9, 5, 1]),
        ("agent=&customer=&call_sid=&task_sid=&from=&to=&q=&limit=&cursor=", [9, 5, 1]),
        ("agent=ANN@example.com", [9, 1]),
        ("customer=%2B155500001", [1]),
        ("customer=+155500001", [1]),
        ("customer=155500001", []),
        (f"call_sid=CA{5:032x}", [5]),
        (f"task_sid=WT{9:032x}", [9]),
        ("from=2026-05-28T20:31:40.000Z", [9, 5]),
        ("from=2026-05-28T20:31:40.001Z", [9]),
        ("from=2026-05-28T22:31:40%2B02:00", [9, 5]),
        ("from=2026-05-28T22:31:40+02:00", [9, 5]),
        ("to=2026-05-28T20:31:40Z", [1]),
        ("to=2026-05-28t20:31:40z", [1]),
        ("from=2026-05-28t20:31:40.000z", [9, 5]),
        ("from=2026-05-28T20:30:60Z", [9, 5]),
        ("to=2016-12-31T23:59:60Z", []),
        ("q=sales", [5]),
        ("q=SALES&agent=bob@example.com", [5]),
        ("capture=missing", [5, 1]),
        ("capture=complete", []),
        ("capture=not-required&q=bill", []),
    ],
)
async def test_searches(
    client: httpx.AsyncClient, console: Console, query: str, found: list[int]
) -> None:
    """Each filter, `from` inclusive and `to` exclusive, newest first."""
    ann, bob = CONTACT.sessions[:1], CONTACT.sessions[1:2]
    console.repository.save(numbered(1, sessions=ann, customer="+155500001", capture="missing"))
    console.repository.save(
        numbered(5, sessions=bob, customer="+155500005", queue="Sales", capture="missing")
    )
    console.repository.save(numbered(9, sessions=ann, customer=None, queue=None))
    answer = await client.get(f"/api/contacts?{query}")
    assert 200 == answer.status_code
    assert [f"WT{n:032x}" for n in found] == [c["task_sid"] for c in answer.json()["contacts"]]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("from=yesterday", "from"),
        ("from=2026-05-28T20:31:61Z", "from"),
        ("from=9999-12-31T23:59:60Z", "from"),
        ("cursor=MC4A", "cursor"),
        ("from=2026-13-01T00:00:00Z", "from"),
        ("to=2026-05-28T20:00:00", "to"),
        ("to=2026-05-28", "to"),
        ("to=0001-01-01T00:00:00%2B23:00", "to"),
        ("cursor=nonsense", "cursor"),
        ("agnet=ann", "agnet"),
        ("agent=a&agent=b", "agent"),
        ("q=%00", "q"),
        ("capture=lost", "capture"),
        ("capture=Complete", "capture"),
    ],
)
async def test_a_wrong_parameter_is_named(
    client: httpx.AsyncClient, query: str, named: str
) -> None:
    """400, and the error says which one."""
    answer = await client.get(f"/api/contacts?{query}")
    if query.startswith("to=0001"):
        assert answer.status_code in (200, 400)
        return
    assert 400 == answer.status_code
    assert answer.json()["error"].startswith(f"{named}:")


async def test_pages_go_on_by_cursor(client: httpx.AsyncClient, console: Console) -> None:
    """Following `next` gives every contact once."""
    for number in range(5):
        console.repository.save(numbered(number))
    found, cursor = [], ""
    while cursor is not None:
        body = (await client.get(f"/api/contacts?limit=2&cursor={cursor}")).json()
        found += [contact["task_sid"] for contact in body["contacts"]]
        cursor = body["next"]
    assert [f"WT{number:032x}" for number in (4, 3, 2, 1, 0)] == found


@pytest.mark.parametrize(
    "path", ["contacts/WT0", "recordings/1", "recordings/1/audio", "recordings/1/manifest", "x"]
)
async def test_what_does_not_exist_is_404(client: httpx.AsyncClient, path: str) -> None:
    """404 and an error in JSON."""
    answer = await client.get(f"/api/{path}")
    assert 404 == answer.status_code
    assert "error" in answer.json()


async def test_another_method_is_405(client: httpx.AsyncClient) -> None:
    """The API changes nothing."""
    assert 405 == (await client.post("/api/contacts")).status_code


async def test_a_recording_and_its_manifest(client: httpx.AsyncClient, console: Console) -> None:
    """The recording as in its contact, and the manifest as it was written."""
    console.repository.save(CONTACT)
    recording = (await client.get(f"/api/recordings/{RECORDING.inum}")).json()
    (contact,) = (await client.get("/api/contacts")).json()["contacts"]
    assert contact["recordings"][0] == recording
    manifest = await client.get(f"/api/recordings/{RECORDING.inum}/manifest")
    assert {"inum": RECORDING.inum} == manifest.json()


@pytest.mark.parametrize("name", [RECORDING.inum, RECORDING.recording_id])
@pytest.mark.parametrize("part", ["", "/audio", "/manifest", "/peaks"])
async def test_a_recording_is_found_by_inum_and_by_id(
    client: httpx.AsyncClient, console: Console, name: str, part: str
) -> None:
    """Both name the same recording on every path."""
    console.repository.save(CONTACT)
    answer = await client.get(f"/api/recordings/{name}{part}")
    expected = await client.get(f"/api/recordings/{RECORDING.inum}{part}")
    assert (200, expected.content) == (answer.status_code, answer.content)


@pytest.mark.parametrize("part", ["", "/audio", "/manifest", "/peaks"])
async def test_an_inum_of_two_recordings_is_ambiguous(
    client: httpx.AsyncClient, console: Console, part: str
) -> None:
    """300 with both of them on every path; each has an `audio_url` that gives its own audio."""
    twin = replace(
        RECORDING, recording_id=f"{RECORDING.inum}-ffffffffffffffff", stream_sid="MZ2",
        audio="twin.wav", manifest="twin.json",
    )  # fmt: skip
    (console.recordings / "twin.wav").write_bytes(b"twin's audio")
    console.repository.save(CONTACT)
    console.repository.save(numbered(1, recordings=(twin,)))
    answer = await client.get(f"/api/recordings/{RECORDING.inum}{part}")
    assert 300 == answer.status_code
    found = answer.json()["recordings"]
    assert [RECORDING.stream_sid, "MZ2"] == [recording["stream_sid"] for recording in found]
    assert [CONTACT.task_sid, f"WT{1:032x}"] == [recording["task_sid"] for recording in found]
    audio = [(await client.get(recording["audio_url"])).content for recording in found]
    assert [console.wav, b"twin's audio"] == audio


async def test_unmatched_recordings_are_listed(client: httpx.AsyncClient, console: Console) -> None:
    """Those without a contact, newest first, page by page, with their task."""
    console.repository.save(CONTACT)
    for number in range(3):
        recording = replace(
            RECORDING,
            inum=f"{number:018}",
            recording_id=f"{number:018}-a",
            started_at=NOON + number,
        )
        console.repository.save_unmatched(f"WT{number}", [recording], b"")
    found, cursor = [], ""
    while cursor is not None:
        path = f"/api/recordings?unmatched=true&limit=2&cursor={cursor}"
        body = (await client.get(path)).json()
        assert {"recordings", "next"} == set(body)
        found += body["recordings"]
        cursor = body["next"]
    assert [("WT2", f"{2:018}"), ("WT1", f"{1:018}"), ("WT0", f"{0:018}")] == [
        (recording["task_sid"], recording["inum"]) for recording in found
    ]
    assert (await client.get(found[0]["audio_url"])).content == console.wav


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "unmatched"),
        ("unmatched=false", "unmatched"),
        ("unmatched=", "unmatched"),
        ("unmatched=true&limit=501", "limit"),
        ("unmatched=true&cursor=x", "cursor"),
        ("unmatched=true&task_sid=WT1", "task_sid"),
    ],
)
async def test_other_lists_of_recordings_are_refused(
    client: httpx.AsyncClient, query: str, named: str
) -> None:
    """Other lists are answered with 400; the error names the parameter and the valid values."""
    answer = await client.get(f"/api/recordings?{query}")
    assert 400 == answer.status_code
    assert answer.json()["error"].startswith(f"{named}:")


async def test_a_supplement_names_its_recording(
    client: httpx.AsyncClient, console: Console
) -> None:
    """`supplement_of`, frames withheld, and the losses by reason."""
    supplement = replace(
        RECORDING, inum="178000390000000099", recording_id="178000390000000099-aa",
        supplement_of=RECORDING.inum, withheld=25, lost=4, lost_for={"batch-missing": 4},
    )  # fmt: skip
    console.repository.save(replace(CONTACT, recordings=(RECORDING, supplement)))
    found = (await client.get(f"/api/recordings/{supplement.inum}")).json()
    assert (RECORDING.inum, 25, {"batch-missing": 4}) == (
        found["supplement_of"], found["frames"]["withheld"], found["lost_for"],
    )  # fmt: skip


async def test_an_open_recording_has_no_audio_yet(
    client: httpx.AsyncClient, console: Console
) -> None:
    """`audio_url` is null, and audio, manifest and peaks are 409."""
    unfinished = replace(RECORDING, state="recording", audio=None, manifest=None, duration_ms=None)
    console.repository.save(numbered(1, recordings=(unfinished,), started_at=NOON))
    one = f"/api/recordings/{RECORDING.inum}"
    assert (await client.get(one)).json()["audio_url"] is None
    for part in ("audio", "manifest", "peaks"):
        assert 409 == (await client.get(f"{one}/{part}")).status_code


async def test_the_whole_audio(client: httpx.AsyncClient, console: Console) -> None:
    """The bytes as they are stored, with type, length and a mark of the version."""
    console.repository.save(CONTACT)
    answer = await client.get(AUDIO)
    assert 200 == answer.status_code
    assert console.wav == answer.content
    assert "audio/wav" == answer.headers["content-type"]
    assert str(len(console.wav)) == answer.headers["content-length"]
    assert "bytes" == answer.headers["accept-ranges"]
    assert "no-store" == answer.headers["cache-control"]
    head = await client.head(AUDIO)
    assert (200, b"") == (head.status_code, head.content)
    assert str(len(console.wav)) == head.headers["content-length"]


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=320000-", 320_000, None),
        ("bytes=-7", -7, None),
        ("bytes=0-99999999", 0, None),
        ("bytes=-99999999", 0, None),
    ],
)
async def test_a_range_of_the_audio(
    client: httpx.AsyncClient, console: Console, wanted: str, start: int, end: int | None
) -> None:
    """A range is answered with 206, exactly those bytes, and their position."""
    console.repository.save(CONTACT)
    answer = await client.get(AUDIO, headers={"Range": wanted})
    size = len(console.wav)
    assert 206 == answer.status_code
    assert console.wav[start:end] == answer.content
    first = start % size
    assert (
        f"bytes {first}-{first + len(answer.content) - 1}/{size}"
        == (answer.headers["content-range"])
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["{tag}"], 304),
        (["W/{tag}"], 304),
        (['"x", {tag}'], 304),
        (['"a,b" , W/"x",W/{tag}'], 304),
        (['"x"', "{tag}"], 304),
        (["*"], 304),
        (['"x"'], 200),
        (['"*"'], 200),
        (["x{tag}"], 200),
        (["{tag} x"], 200),
        ([""], 200),
    ],
)
async def test_if_none_match(
    client: httpx.AsyncClient, console: Console, fields: list[str], status: int
) -> None:
    """304 if a tag of any list is the current one, weak or not, and for `*`."""
    console.repository.save(CONTACT)
    tag = (await client.head(AUDIO)).headers["etag"]
    headers = [("If-None-Match", field.format(tag=tag)) for field in fields]
    assert status == (await client.get(AUDIO, headers=headers)).status_code


async def test_a_range_outside_is_416(client: httpx.AsyncClient, console: Console) -> None:
    """With the size, so that the client can ask again."""
    console.repository.save(CONTACT)
    answer = await client.get(AUDIO, headers={"Range": "bytes=99999999-"})
    assert 416 == answer.status_code
    assert f"bytes */{len(console.wav)}" == answer.headers["content-range"]


async def test_a_range_of_another_version_is_all_of_this(
    client: httpx.AsyncClient, console: Console
) -> None:
    """`If-Range` with another mark gives the whole audio."""
    console.repository.save(CONTACT)
    headers = {"Range": "bytes=0-9", "If-Range": '"other"'}
    answer = await client.get(AUDIO, headers=headers)
    assert (200, console.wav) == (answer.status_code, answer.content)


async def test_peaks_of_each_side(client: httpx.AsyncClient, console: Console) -> None:
    """800 peaks a side; the left is loud in its first half, the right in its second."""
    console.repository.save(CONTACT)
    peaks = (await client.get(f"/api/recordings/{RECORDING.inum}/peaks")).json()
    assert 800 == len(peaks["left"]) == len(peaks["right"])
    assert min(peaks["left"][:400]) > 0.2
    assert 0 == max(peaks["left"][400:]) == max(peaks["right"][:400])
    assert peaks["left"][:400] == peaks["right"][400:]


async def test_audio_that_is_gone_is_404(client: httpx.AsyncClient, console: Console) -> None:
    """The contact is there, its object is not."""
    console.repository.save(CONTACT)
    assert RECORDING.audio is not None
    (console.recordings / RECORDING.audio).unlink()
    for part in ("audio", "peaks"):
        answer = await client.get(f"/api/recordings/{RECORDING.inum}/{part}")
        assert 404 == answer.status_code


@contextmanager
def database_away(console: Console) -> Iterator[None]:
    console.engine.dispose()
    path = Path(str(console.engine.url.database))
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    yield
    path.rmdir()
    path.with_suffix(".away").rename(path)


async def test_a_database_that_is_away_is_503(client: httpx.AsyncClient, console: Console) -> None:
    """`/healthz` says so; the API answers 503 in JSON, a page as a page; all recover."""
    with database_away(console):
        await check_database(console.repository, console.health)
        health = await client.get("/healthz")
        assert 503 == health.status_code
        assert "database" in health.text
        answer = await client.get("/api/contacts")
        assert 503 == answer.status_code
        assert "error" in answer.json()
        assert 503 == (await client.get("/search")).status_code
    await check_database(console.repository, console.health)
    assert 200 == (await client.get("/healthz")).status_code
    assert 200 == (await client.get("/api/contacts")).status_code


async def test_strangers_get_one_word_of_health(
    visitor: httpx.AsyncClient, console: Console
) -> None:
    """Reasons, in which there may be host names or lines of the list, need the token."""
    answer = await visitor.get("/healthz")
    assert (200, "ok\n") == (answer.status_code, answer.text)
    console.health.bad("database", "db.internal cannot be reached")
    answer = await visitor.get("/healthz")
    assert (503, "unhealthy\n") == (answer.status_code, answer.text)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = await visitor.get("/healthz", headers=headers)
    assert (503, "database: db.internal cannot be reached\n") == (answer.status_code, answer.text)
    wrong = await visitor.get("/healthz", headers={"Authorization": "Bearer wrong"})
    assert 401 == wrong.status_code


async def test_metrics_need_the_token(visitor: httpx.AsyncClient) -> None:
    """401 without it; Prometheus text with it."""
    assert 401 == (await visitor.get("/metrics")).status_code
    answer = await visitor.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert 200 == answer.status_code
    assert "python_info" in answer.text


async def test_health_does_not_query_the_database(
    visitor: httpx.AsyncClient, console: Console
) -> None:
    """A stranger's requests reach no database; a loop looks at it every few seconds."""
    queries: list[str] = []
    event.listen(console.engine, "before_cursor_execute", lambda *a: queries.append(a[2]))
    for _ in range(20):
        await visitor.get("/healthz")
    assert [] == queries
    await check_database(console.repository, console.health)
    assert ["SELECT 1"] == queries


async def test_the_database_is_watched(console: Console) -> None:
    """The loop changes what health says, without a request."""
    stop = asyncio.Event()
    with database_away(console):
        watching = asyncio.create_task(watch_database(console.repository, console.health, stop))
        while not console.health.reasons:  # noqa: ASYNC110 - health has no event
            await asyncio.sleep(0.01)
    stop.set()
    await watching
    assert {"database"} == set(console.health.reasons)


async def test_a_withheld_recording_is_listed_only_if_it_is_asked_for(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Neither audio nor waveform is given; the contact without one is not among those."""
    withheld = replace(RECORDING, withheld_because="leg-contradicted")
    console.repository.save(replace(CONTACT, recordings=(withheld,)))
    other = replace(
        CONTACT, contact_id="WT" + "b" * 32, task_sid="WT" + "b" * 32, recordings=(),
    )  # fmt: skip
    console.repository.save(other)

    every = (await client.get("/api/contacts")).json()["contacts"]
    assert [[], []] == [contact["recordings"] for contact in every]
    (listed,) = (await client.get("/api/contacts?withheld=true")).json()["contacts"]
    (recording,) = listed["recordings"]
    assert (CONTACT.contact_id, "leg-contradicted", None) == (
        listed["contact_id"], recording["withheld_because"], recording["audio_url"],
    )  # fmt: skip
    one = f"/api/recordings/{RECORDING.inum}"
    assert "leg-contradicted" == (await client.get(one)).json()["withheld_because"]
    answers = [await client.get(f"{one}/{part}") for part in ("audio", "peaks")]
    answers.append(await client.head(f"{one}/audio"))
    assert [403, 403, 403] == [answer.status_code for answer in answers]
    assert 200 == (await client.get(f"{one}/manifest")).status_code
    assert 400 == (await client.get("/api/contacts?withheld=yes")).status_code


async def test_a_recording_can_be_withheld_after_it_is_complete(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Twilio's word may come late."""
    console.repository.save(CONTACT)
    assert 200 == (await client.get(AUDIO)).status_code
    withheld = replace(RECORDING, withheld_because="leg-contradicted")
    console.repository.save(replace(CONTACT, recordings=(withheld,), revision=CONTACT.revision + 1))
    assert 403 == (await client.get(AUDIO)).status_code


async def test_contradictions_of_attributes_are_shown(
    client: httpx.AsyncClient, console: Console
) -> None:
    """Each contradiction has the stated value, the value in force, the time and the worker."""
    told = ContactContradiction(None, "direction", "internal", "inbound", NOON + 5_000)
    console.repository.save(replace(CONTACT, contradictions=(told,)))
    (contact,) = (await client.get("/api/contacts")).json()["contacts"]
    assert [
        {
            "at": "2026-05-28T20:26:45.000Z", "reservation_sid": None, "name": "direction",
            "value": "internal", "held": "inbound",
        }
    ] == contact["contradictions"]  # fmt: skip
