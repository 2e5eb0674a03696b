"""The resources of Twilio's REST API: calls, conferences, participants and media streams."""

from simulator.events import rfc2822
from simulator.media import clock
from simulator.script import Json, LegStatus
from simulator.world import Conference, MediaStream, WorldLeg, WorldParticipant

API = "/2010-04-01"
PARTICIPANT_STATUS = {LegStatus.RINGING: "ringing", LegStatus.IN_PROGRESS: "connected"}


def call_resource(leg: WorldLeg, account_sid: str) -> Json:
    """Return a call leg with its ends, as `Calls/{CA}.json` answers."""
    path = f"{API}/Accounts/{account_sid}/Calls/{leg.sid}"
    ended = None if leg.ended_at is None else rfc2822(leg.ended_at)
    return {
        "sid": leg.sid,
        "account_sid": account_sid,
        "parent_call_sid": None,
        "from": leg.ends.caller,
        "from_formatted": leg.ends.caller,
        "to": leg.ends.called,
        "to_formatted": leg.ends.called,
        "status": leg.status.value,
        "direction": leg.ends.direction,
        "answered_by": None,
        "api_version": "2010-04-01",
        "start_time": rfc2822(leg.began_at),
        "end_time": ended,
        "date_created": rfc2822(leg.began_at),
        "date_updated": rfc2822(leg.ended_at or clock()),
        "uri": path + ".json",
        "subresource_uris": {"streams": path + "/Streams.json"},
    }


def media_stream_resource(media_stream: MediaStream, account_sid: str) -> Json:
    """Return a media stream, as a start or a stop answers."""
    path = f"{API}/Accounts/{account_sid}/Calls/{media_stream.call_sid}/Streams"
    return {
        "sid": media_stream.sid,
        "account_sid": account_sid,
        "call_sid": media_stream.call_sid,
        "name": media_stream.name,
        "status": media_stream.status.value,
        "date_updated": rfc2822(clock()),
        "uri": f"{path}/{media_stream.sid}.json",
    }


def conference_status(conference: Conference) -> str:
    """Return the conference's status: in-progress or completed."""
    return "in-progress" if conference.ended_at is None else "completed"


def conference_resource(conference: Conference, account_sid: str) -> Json:
    """Return a conference. Its friendly name is the task SID."""
    uri = f"{API}/Accounts/{account_sid}/Conferences/{conference.sid}"
    return {
        "sid": conference.sid,
        "account_sid": account_sid,
        "friendly_name": conference.friendly_name,
        "status": conference_status(conference),
        "region": "us1",
        "api_version": "2010-04-01",
        "date_created": rfc2822(conference.began_at),
        "date_updated": rfc2822(conference.ended_at or clock()),
        "uri": uri + ".json",
        "subresource_uris": {"participants": uri + "/Participants.json"},
    }


def participant_resource(
    conference: Conference, participant: WorldParticipant, status: LegStatus, account_sid: str
) -> Json:
    """Return a participant of a conference. `status`: of its leg. The leg's ends are not part of
    the resource."""
    path = f"{API}/Accounts/{account_sid}/Conferences/{conference.sid}/Participants"
    return {
        "account_sid": account_sid,
        "call_sid": participant.call_sid,
        "conference_sid": conference.sid,
        "label": participant.label,
        "muted": participant.muted,
        "hold": participant.hold,
        "coaching": participant.coaching,
        "call_sid_to_coach": None,
        "start_conference_on_enter": True,
        "end_conference_on_exit": False,
        "status": PARTICIPANT_STATUS.get(status, "complete"),
        "date_created": rfc2822(conference.began_at),
        "date_updated": rfc2822(conference.ended_at or clock()),
        "uri": f"{path}/{participant.call_sid}.json",
    }
