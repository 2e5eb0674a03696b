"""The retriever's requests to Twilio: a call's recordings, their audio, the first participant."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from agents.retriever.downloads import Downloader, NoSuchChannels
from agents.twilio_history.client import HistoryApi
from pipeline.calls.times import millis
from pipeline.recovery.sources import SourceRecording, source_of
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.sids import SidKind, sid_in
from pipeline.twilio.urls import API, moved

INSIGHTS = "https://insights.twilio.com/v1"
MAX_LEGS = 20
"""The greatest number of legs of a call for which recordings are listed, besides those of its
conferences."""
TWO_CHANNELS = {"RequestedChannels": "2"}


class TwilioRecordings:
    """One account's recordings. All methods raise `TwilioError`."""

    def __init__(
        self, api: HistoryApi, session: ClientSession, credentials: tuple[str, str]
    ) -> None:
        self._api = api
        self._account = f"{API}/2010-04-01/Accounts/{api.account_sid}"
        self._downloader = Downloader(session, credentials, api.carry_out)

    async def of_call(self, task_sid: str, call_sids: Iterable[str]) -> list[SourceRecording]:
        """Return the recordings of the task's conferences and of these legs, each once. A leg may
        also have been in another task's conference; that conference's recordings belong to the
        other call and are left out."""
        rows: list[dict[str, Any]] = []
        conferences = await self._conferences(task_sid)
        for conference in conferences:
            rows += await self._recordings({"ConferenceSid": conference})
        for call_sid in list(call_sids)[:MAX_LEGS]:
            rows += await self._recordings({"CallSid": call_sid})
        found = (source_of(row) for row in rows)
        own = (None, *conferences)
        return list({s.sid: s for s in found if s and s.conference_sid in own}.values())

    async def first_joined(self, conference_sid: str) -> frozenset[str]:
        """Return the call SID of the conference's first participant: several if Twilio states the
        same time for them, none if it is not known. Twilio keeps this information for 30 days, and
        not for every account."""
        url = f"{INSIGHTS}/Conferences/{conference_sid}/Participants"
        try:
            rows = await self._api.rows("conference-participants", url, "participants")
        except TwilioError as error:
            if error.status in (0, 429) or error.status >= 500:
                raise
            return frozenset()
        joined = [
            (at, call_sid)
            for row in rows
            if (at := millis(row.get("join_time"))) is not None
            and (call_sid := sid_in(row, "call_sid", SidKind.CALL)) is not None
        ]
        first = min((at for at, _ in joined), default=None)
        return frozenset(call_sid for at, call_sid in joined if at == first)

    async def download(self, source: SourceRecording, path: Path) -> int:
        """Download the audio to `path`, with two channels if there are two; return its size. Also
        raise `NotUsable`."""
        url = moved(f"{self._account}/Recordings/{source.sid}.wav", self._api.rest.base_url)
        if source.channels != 1 and source.encryption is None:
            try:
                return await self._downloader.fetch(url, TWO_CHANNELS, path)
            except NoSuchChannels:
                await asyncio.to_thread(path.unlink, missing_ok=True)
        try:
            return await self._downloader.fetch(url, {}, path)
        except NoSuchChannels as error:
            raise TwilioError(400, 16113, str(error)) from None

    async def delete(self, recording_sid: str) -> None:
        """Delete a recording. One that does not exist is no error."""
        url = f"{self._account}/Recordings/{recording_sid}.json"
        try:
            await self._api.carry_out(
                "delete-recording", lambda: self._api.rest.exchange("DELETE", url, {})
            )
        except TwilioError as error:
            if error.status != 404:
                raise

    async def _conferences(self, task_sid: str) -> list[str]:
        query = {"FriendlyName": task_sid}
        rows = await self._api.rows(
            "conferences", f"{self._account}/Conferences.json", "conferences", query
        )
        found = (sid_in(row, "sid", SidKind.CONFERENCE) for row in rows)
        return [sid for sid in found if sid is not None]

    async def _recordings(self, query: dict[str, str]) -> list[dict[str, Any]]:
        url = f"{self._account}/Recordings.json"
        # List deleted recordings too, so that the reason for missing audio is known at once.
        query = {**query, "IncludeSoftDeleted": "true"}
        return await self._api.rows("recordings", url, "recordings", query)
