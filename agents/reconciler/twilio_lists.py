"""Read Twilio's lists of accepted reservations, conferences, participants and recordings."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import structlog

from agents.reconciler.metrics import FOREIGN_ROWS
from agents.twilio_history.client import HistoryApi
from pipeline.reconciliation.participants import ConferenceParticipant, participant
from pipeline.reconciliation.rows import (
    ListedEvent,
    ended_conference,
    listed_event,
    twilio_recording,
)
from pipeline.reconciliation.windows import DAY_MS, TwilioPeriod, conference_days
from pipeline.runtime.twilio_http import TwilioError
from pipeline.times import utc
from pipeline.twilio.sids import SidKind, valid_sid
from pipeline.twilio.urls import API, INSIGHTS, TASKROUTER
from schemas.records import EndedConference, TwilioRecording

log = structlog.get_logger(__name__)

ACCEPTED = "reservation.accepted"
UNANSWERED_ENDS = ("task.canceled", "task.deleted")
"""The events that end a task that no agent took: the caller gave up, or the workflow did."""
MAX_LEGS = 10
"""The greatest number of legs of a task for which recordings are looked up."""
_ABSENT = frozenset({400, 403, 404})
"""HTTP statuses for a resource that was deleted, or that the account may not see."""


class TwilioLists:
    """The lists of one account. All methods raise `TwilioError`. `workspace_sid`: the workspace, or
    None for all of the account."""

    def __init__(self, api: HistoryApi, workspace_sid: str | None) -> None:
        self._api = api
        self._workspaces: tuple[str, ...] = () if workspace_sid is None else (workspace_sid,)
        self._account = f"{API}/2010-04-01/Accounts/{api.account_sid}"

    async def accepted(self, period: TwilioPeriod) -> list[ListedEvent]:
        """Return the acceptances of reservations in the period."""
        return await self._of_type(ACCEPTED, period)

    async def unanswered_ends(self, period: TwilioPeriod) -> list[ListedEvent]:
        """Return the ends in the period of tasks that no agent took."""
        return [e for kind in UNANSWERED_ENDS for e in await self._of_type(kind, period)]

    async def task_events(self, task_sid: str, period: TwilioPeriod, now: int) -> list[ListedEvent]:
        """Return all events of a task, from a day before the period to a day after it."""
        dates = _dates(period.begins_at - DAY_MS, min(now, period.ends_at + DAY_MS))
        found = [event async for event in self._events({"TaskSid": task_sid, **dates})]
        return [event for event in found if event.task_sid == task_sid]

    async def conferences(self, period: TwilioPeriod) -> list[tuple[str, EndedConference]]:
        """Return the conferences that are over, each with its task SID, of all UTC days that the
        period touches."""
        first, last = conference_days(period)
        query = {"DateCreated>": first, "DateCreated<": last, "Status": "completed"}
        url = f"{self._account}/Conferences.json"
        found: list[tuple[str, EndedConference]] = []
        async for page in self._api.pages("conferences", url, "conferences", query):
            rows = (ended_conference(row) for row in self._own(page))
            found += [each for each in rows if each is not None]
        return found

    async def participants(self, conference_sid: str) -> tuple[ConferenceParticipant, ...]:
        """Return the participants of a conference that is over. Only Voice Insights lists them."""
        insights = f"{INSIGHTS}/Conferences/{conference_sid}/Participants"
        plain = f"{self._account}/Conferences/{conference_sid}/Participants.json"
        rows = await self._rows_if_any("participants", insights, "participants")
        rows = rows or await self._rows_if_any("participants", plain, "participants")
        return tuple(each for row in rows if (each := participant(row)) is not None)

    async def child_calls(self, call_sid: str) -> tuple[str, ...]:
        """Return the call SIDs of the legs that this leg dialed."""
        query = {"ParentCallSid": call_sid}
        rows = await self._rows_if_any("calls", f"{self._account}/Calls.json", "calls", query)
        return tuple(sorted({sid for r in rows if (sid := valid_sid(SidKind.CALL, r.get("sid")))}))

    async def recordings(
        self, conference_sids: Iterable[str], call_sids: Iterable[str]
    ) -> tuple[TwilioRecording, ...]:
        """Return the recordings of conferences and legs, including deleted ones that Twilio still
        lists."""
        queries = [{"ConferenceSid": sid} for sid in conference_sids]
        queries += [{"CallSid": sid} for sid in sorted(call_sids)[:MAX_LEGS]]
        found: dict[str, TwilioRecording] = {}
        url = f"{self._account}/Recordings.json"
        for query in queries:
            asked = {**query, "IncludeSoftDeleted": "true"}
            for row in await self._rows_if_any("recordings", url, "recordings", asked):
                if (recording := twilio_recording(row)) is not None:
                    found[recording.recording_sid] = recording
        return tuple(found[sid] for sid in sorted(found))

    async def _of_type(self, event_type: str, period: TwilioPeriod) -> list[ListedEvent]:
        query = {"EventType": event_type, **_dates(period.begins_at, period.ends_at)}
        found = [event async for event in self._events(query)]
        return [e for e in found if period.begins_at <= e.at < period.ends_at]

    async def _events(self, query: Mapping[str, str]) -> AsyncIterator[ListedEvent]:
        for workspace in await self._all_workspaces():
            url = f"{TASKROUTER}/Workspaces/{workspace}/Events"
            async for page in self._api.pages("events", url, "events", query):
                for row in self._own(page):
                    if (event := listed_event(row)) is not None:
                        yield event

    async def _all_workspaces(self) -> tuple[str, ...]:
        if not self._workspaces:
            rows = await self._api.rows("workspaces", f"{TASKROUTER}/Workspaces", "workspaces")
            sids = {valid_sid(SidKind.WORKSPACE, row.get("sid")) for row in self._own(rows)}
            self._workspaces = tuple(sorted(sid for sid in sids if sid is not None))
            if not self._workspaces:
                why = "the credentials are those of another account" if rows else "there is none"
                raise TwilioError(0, None, f"the account has no TaskRouter workspace: {why}")
        return self._workspaces

    async def _rows_if_any(
        self, what: str, url: str, key: str, query: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows; none if Twilio no longer has the resource or does not show it."""
        try:
            return list(self._own(await self._api.rows(what, url, key, query)))
        except TwilioError as error:
            if error.status not in _ABSENT:
                raise
            log.info("Twilio does not list this", what=what, error=str(error))
            return []

    def _own(self, rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        """Yield the rows of this account; leave out and count those of another, such as a
        subaccount."""
        for row in rows:
            if row.get("account_sid") in (None, "", self._api.account_sid):
                yield row
            else:
                FOREIGN_ROWS.inc()


def _dates(begins_at: int, ends_at: int) -> dict[str, str]:
    return {"StartDate": _iso(begins_at), "EndDate": _iso(ends_at + 999)}


def _iso(at: int) -> str:
    return utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")
