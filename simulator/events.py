"""CloudEvents in the form in which Twilio Event Streams writes them.

TaskRouter's events carry a payload in snake_case, with attributes as JSON strings and times in ISO
8601. Voice status callbacks carry the classic callback's parameters in PascalCase, with times in
RFC 2822, which are exact to the second.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from simulator.script import Json, Sids

TASKROUTER = "com.twilio.taskrouter."
VOICE = "com.twilio.voice.status-callback."
SCHEMAS = "https://events-schemas.twilio.com"


@dataclass(frozen=True, slots=True)
class Account:
    """The Twilio account and the TaskRouter workspace of the events."""

    account_sid: str
    workspace_sid: str


def iso(at: int) -> str:
    """Return milliseconds since the epoch as ISO 8601 with milliseconds, in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def rfc2822(at: int) -> str:
    """Return milliseconds since the epoch as RFC 2822, to the second."""
    return format_datetime(datetime.fromtimestamp(at // 1000, UTC))


def taskrouter_event(account: Account, sids: Sids, name: str, at: int, payload: Json) -> Json:
    """Return a TaskRouter event. `name`: such as `reservation.accepted`; `payload`: without the
    fields that all events have."""
    group = name.partition(".")[0]
    data = {
        "sid": sids.new("EV"),
        "name": name,
        "account_sid": account.account_sid,
        "timestamp": iso(at),
        "level": "INFO",
        "group": group,
        "product_name": "taskrouter",
        "publisher": "taskrouter",
        "publisher_metadata": {"workspace_sid": account.workspace_sid},
        "payload_type": "application/json",
        "payload": {
            "eventtype": name,
            "timestamp": iso(at),
            "workspace_sid": account.workspace_sid,
            **payload,
        },
    }
    source = f"/v1/Workspaces/{account.workspace_sid}/{group}"
    return _cloud_event(sids, TASKROUTER + name, source, at, data)


def conference_event(account: Account, sids: Sids, name: str, at: int, parameters: Json) -> Json:
    """Return a conference status callback. `name`: such as `participant-hold` or `conference-end`;
    `parameters`: without those that all callbacks have."""
    kind = "conference.participant.updated" if name.startswith("part") else "conference.updated"
    parameters = {"StatusCallbackEvent": name, **parameters}
    return _callback(account, sids, kind, at, parameters)


def call_event(account: Account, sids: Sids, name: str, at: int, parameters: Json) -> Json:
    """Return a call status callback, which has a call SID but no task. `name`: such as
    `answered`."""
    return _callback(account, sids, f"call.{name}", at, parameters)


def test_event(sids: Sids, at: int) -> Json:
    """Return the event that Twilio sends to test a sink."""
    kind = "com.twilio.eventstreams.test-event"
    return _cloud_event(sids, kind, "/v1/Sinks", at, {"test_id": sids.new("TE")})


def _callback(account: Account, sids: Sids, kind: str, at: int, parameters: Json) -> Json:
    data = {
        "request": {
            "method": "POST",
            "url": "https://flex.example.com/status",
            "parameters": {
                "AccountSid": account.account_sid,
                "Timestamp": rfc2822(at),
                **parameters,
            },
        },
        "response": {"status_code": 200},
    }
    source = f"/2010-04-01/Accounts/{account.account_sid}/{kind.partition('.')[0]}"
    return _cloud_event(sids, VOICE + kind, source, at, data)


def _cloud_event(sids: Sids, kind: str, source: str, at: int, data: Json) -> Json:
    return {
        "specversion": "1.0",
        "type": kind,
        "source": source,
        "id": sids.new("EZ"),
        "dataschema": f"{SCHEMAS}/{kind.removeprefix('com.twilio.')}/1",
        "datacontenttype": "application/json",
        "time": iso(at),
        "data": data,
    }


def attributes_text(attributes: Json) -> str:
    """Return attributes in TaskRouter's form: a JSON string."""
    return json.dumps(attributes, separators=(",", ":"))
