"""The requests about recordings, and what Twilio refuses."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import aiohttp
from hypothesis import given
from hypothesis import strategies as st

from simulator.media import Credentials, clock
from simulator.recorded import RecordingQuirk
from simulator.recorded_rest import mixed, wav_of
from simulator.script import Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.wav import read_wav
from simulator.world import World
from tests.simulator import test_recorded

ACCOUNT = Credentials("AC" + "1" * 32, "token")
RECORDINGS = f"/2010-04-01/Accounts/{ACCOUNT.account_sid}/Recordings"


@asynccontextmanager
async def stage() -> AsyncIterator[tuple[TwilioRest, aiohttp.ClientSession]]:
    """A double with one recorded conference, and a client of it."""
    world = test_recorded.played()
    auth = aiohttp.BasicAuth(ACCOUNT.account_sid, ACCOUNT.auth_token)
    async with (
        TwilioRest(world, ACCOUNT, Faults()) as rest,
        aiohttp.ClientSession(rest.url, auth=auth) as session,
    ):
        yield rest, session


async def get(session: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, bytes]:
    """Return status and body."""
    async with session.get(path, headers=headers) as answer:
        return answer.status, await answer.read()


async def rows(session: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
    """Return the listed recordings."""
    async with session.get(path) as answer:
        assert 200 == answer.status
        listed: list[dict[str, Any]] = (await answer.json())["recordings"]
        return listed


async def code(session: aiohttp.ClientSession, path: str) -> int:
    """Return Twilio's code of a refusal."""
    async with session.get(path) as answer:
        return int((await answer.json())["code"])


async def test_recordings_are_listed_by_conference_call_and_day() -> None:
    """The start has whole seconds, the duration is text."""
    async with stage() as (rest, session):
        [recording] = rest.recordings.recorded.all(clock())
        [found] = await rows(session, f"{RECORDINGS}.json")
        assert ("10", "completed", 2) == (
            found["duration"], found["status"], found["channels"],
        )  # fmt: skip
        assert "Mon, 21 Sep 2026 14:13:22 +0000" == found["start_time"]
        assert "Mon, 21 Sep 2026 14:13:32 +0000" == found["date_updated"]
        assert [] == await rows(session, f"{RECORDINGS}.json?CallSid=CA{'9' * 32}")
        assert [] == await rows(session, f"{RECORDINGS}.json?DateCreated%3E=2026-09-22")
        assert [found] == await rows(
            session, f"{RECORDINGS}.json?DateCreated%3E=2026-09-21&DateCreated%3C=2026-09-21"
        )
        assert 20001 == await code(session, f"{RECORDINGS}.json?CallSid=CA1")
        assert 20001 == await code(session, f"{RECORDINGS}.json?FriendlyName=x")
        assert 20404 == await code(session, f"{RECORDINGS}/RE{'0' * 32}.json")
        assert (200, 200) == (
            (await get(session, f"{RECORDINGS}/{recording.sid}.json"))[0],
            (await get(session, f"{RECORDINGS}/{recording.sid}.wav"))[0],
        )


async def test_audio_comes_with_one_or_two_channels_and_in_ranges() -> None:
    """16-bit PCM at 8 kHz. A source with one channel has no second one (16113)."""
    async with stage() as (rest, session):
        [recording] = rest.recordings.recorded.all(clock())
        path = f"{RECORDINGS}/{recording.sid}.wav"
        _, content = await get(session, f"{path}?RequestedChannels=2")
        wav = read_wav(content)
        assert (1, 2, 8_000, 16) == (wav.encoding, wav.channels, wav.sample_rate, wav.bits)
        assert content == wav_of(*rest.recordings.recorded.channels(recording))
        assert 1 == read_wav((await get(session, path))[1]).channels
        status, part = await get(session, f"{path}?RequestedChannels=2", Range="bytes=100-199")
        assert (206, content[100:200]) == (status, part)
        beyond = f"bytes={len(content)}-"
        assert 416 == (await get(session, f"{path}?RequestedChannels=2", Range=beyond))[0]
        assert 20001 == await code(session, f"{path}?RequestedChannels=3")
        rest.recordings.recorded.quirks[test_recorded.TASK] = RecordingQuirk.MONO
        assert 16113 == await code(session, f"{path}?RequestedChannels=2")


async def test_a_deleted_recording_is_listed_only_if_asked_for() -> None:
    """Its audio is gone."""
    async with stage() as (rest, session):
        [recording] = rest.recordings.recorded.all(clock())
        async with session.delete(f"{RECORDINGS}/{recording.sid}.json") as answer:
            assert 204 == answer.status
        assert [] == await rows(session, f"{RECORDINGS}.json")
        [found] = await rows(session, f"{RECORDINGS}.json?IncludeSoftDeleted=true")
        assert "deleted" == found["status"]
        assert 20404 == await code(session, f"{RECORDINGS}/{recording.sid}.wav")


async def test_insights_says_who_joined_first() -> None:
    """With the time of joining; an unknown conference is not found."""
    async with stage() as (_, session):
        path = f"/insights/v1/Conferences/{test_recorded.CONFERENCE}/Participants"
        async with session.get(path) as answer:
            found = (await answer.json())["participants"]
        assert [test_recorded.AGENT, test_recorded.CUSTOMER] == [p["call_sid"] for p in found]
        assert found[0]["join_time"] < found[1]["join_time"]
        assert {"inbound"} == {p["call_direction"] for p in found}
        left = [p["leave_time"] for p in found]
        assert found[1]["join_time"] < left[0]
        assert 1 == len(set(left))
        assert 20404 == await code(session, "/insights/v1/Conferences/CF9/Participants")


@given(st.binary(min_size=1, max_size=64))
def test_a_mono_file_does_not_depend_on_the_order_of_the_sides(one: bytes) -> None:
    """Also if both sides are equally loud at a moment, with opposite signs."""
    other = bytes(code ^ 0x80 for code in one)
    assert mixed(one, other) == mixed(other, one)


async def test_the_account_is_checked() -> None:
    """As for every request."""
    world = World(Sids(Random(1)))
    wrong = base64.b64encode(b"AC:x").decode()
    async with TwilioRest(world, ACCOUNT, Faults()) as rest, aiohttp.ClientSession() as session:
        status, _ = await get(
            session, f"{rest.url}{RECORDINGS}.json", Authorization=f"Basic {wrong}"
        )
        assert 401 == status
