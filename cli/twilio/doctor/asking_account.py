"""Fetches the facts about the account at Twilio. I/O."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from cli.twilio.api import AdminApi
from cli.twilio.doctor.asking import fetched
from cli.twilio.doctor.facts import AccountFacts, Alert, ListedWorker
from cli.twilio.doctor.results import CheckTrouble
from cli.twilio.sinks import SinkRequests
from pipeline.calls.identities import words_of_worker
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Settings
from pipeline.times import utc
from pipeline.twilio.paging import LARGEST_PAGE
from pipeline.twilio.sids import SidKind, valid_sid
from pipeline.twilio.urls import API, MONITOR, TASKROUTER

ALERTS_MS = 24 * 60 * 60 * 1000
ATTEMPTS = 3
_LEVELS = ("error", "warning")


async def account_facts(
    settings: Settings, account_sid: str, credentials: tuple[str, str]
) -> AccountFacts:
    """Return the facts. Nothing is changed at Twilio."""
    skews: list[int] = []

    def note(there: float) -> None:
        # The header has whole seconds, cut off: the middle of the second is the best guess.
        skews.append(machine_clock() - round(there * 1000) - 500)

    url = settings.twilio_api_url
    async with AdminApi(account_sid, credentials, url, attempts=ATTEMPTS, dates=note) as api:
        refused = await fetched(api.check_account())
        if refused is not None:
            return AccountFacts(rest=refused)
        found = await _asked(api, settings, credentials)
    return replace(found, skew_ms=min(skews, key=abs, default=None))


async def _asked(api: AdminApi, settings: Settings, credentials: tuple[str, str]) -> AccountFacts:
    requests = SinkRequests(api)
    sinks, subscriptions, types, alerts, workers = await asyncio.gather(
        fetched(requests.sinks()),
        fetched(requests.subscriptions()),
        fetched(requests.types()),
        fetched(_alerts(api)),
        fetched(_workers(api, settings.twilio_workspace_sid)),
    )
    events, recordings, token = await asyncio.gather(
        fetched(_read_events(api, settings.twilio_workspace_sid)),
        fetched(_read_recordings(api)),
        _token_trouble(settings, api.account_sid, credentials),
    )
    return AccountFacts(
        auth_token=token,
        sinks=sinks,
        subscriptions=subscriptions,
        offered=types if isinstance(types, CheckTrouble) else frozenset(types),
        alerts=alerts,
        workers=workers,
        lists={
            name: trouble
            for name, trouble in (("TaskRouter's events", events), ("recordings", recordings))
            if trouble is not None
        },
    )


async def _token_trouble(
    settings: Settings, account_sid: str, credentials: tuple[str, str]
) -> CheckTrouble | None:
    """Return why the auth token is not the account's; None if it is."""
    if not settings.auth_tokens:
        return CheckTrouble("FLEXCAPTURE_TWILIO_AUTH_TOKEN is not set", 401)
    own = (account_sid, settings.auth_tokens[0])
    if own == credentials:
        return None  # a request was accepted with it
    async with AdminApi(account_sid, own, settings.twilio_api_url, attempts=ATTEMPTS) as api:
        return await fetched(api.check_account())


async def _alerts(api: AdminApi) -> list[Alert]:
    end = machine_clock()
    period = {"StartDate": _iso(end - ALERTS_MS), "EndDate": _iso(end + 60_000)}
    found: dict[str, Alert] = {}
    for level in _LEVELS:
        query = {"LogLevel": level, "PageSize": str(LARGEST_PAGE), **period}
        for row in await api.rows(f"{MONITOR}/Alerts", "alerts", query):
            alert = alert_of(row)
            found[alert.sid] = alert
    return list(found.values())


def alert_of(row: Mapping[str, Any]) -> Alert:
    """Return the alert in an answer."""
    code = str(row.get("error_code") or "")
    at = _millis(row.get("date_generated")) or _millis(row.get("date_created"))
    return Alert(
        str(row.get("sid", "")),
        int(code) if code.isdecimal() else 0,
        at,
        str(row.get("alert_text") or ""),
    )


async def _read_events(api: AdminApi, workspace_sid: str | None) -> None:
    """Read the list that the reconciler compares. Raise `TwilioError`."""
    for each in await _workspaces(api, workspace_sid):
        await api.get(f"{TASKROUTER}/Workspaces/{each}/Events", {"PageSize": "1"})


async def _read_recordings(api: AdminApi) -> None:
    """Read the list from which audio is recovered. Raise `TwilioError`."""
    url = f"{API}/2010-04-01/Accounts/{api.account_sid}/Recordings.json"
    await api.get(url, {"PageSize": "1"})


async def _workspaces(api: AdminApi, workspace_sid: str | None) -> list[str]:
    if workspace_sid is not None:
        return [workspace_sid]
    rows = await api.rows(f"{TASKROUTER}/Workspaces", "workspaces")
    return [str(row.get("sid", "")) for row in rows]


async def _workers(api: AdminApi, workspace_sid: str | None) -> list[ListedWorker]:
    """Return the workers of a workspace, or of all. Raise `TwilioError`."""
    found: list[ListedWorker] = []
    for each in await _workspaces(api, workspace_sid):
        url = f"{TASKROUTER}/Workspaces/{each}/Workers"
        rows = await api.rows(url, "workers", {"PageSize": str(LARGEST_PAGE)})
        found += [worker for row in rows if (worker := worker_of(row)) is not None]
    return found


def worker_of(row: Mapping[str, Any]) -> ListedWorker | None:
    """Return the worker in an answer; None if it has no SID."""
    sid = valid_sid(SidKind.WORKER, row.get("sid"))
    if sid is None:
        return None
    name = str(row.get("friendly_name") or "")
    return ListedWorker(sid, name or sid, words_of_worker(sid, name, row.get("attributes")))


def _iso(at: int) -> str:
    return utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def _millis(text: object) -> int:
    try:
        return round(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
