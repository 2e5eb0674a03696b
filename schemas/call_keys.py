"""The keys of the maps `facts` and `milestones` in a `Call`: a closed list, each with its meaning.
Pure.

If the first value of a fact holds (docs/trust.md), its other values are under `NAME=VALUE`.
"""

from collections.abc import Mapping

FACTS: Mapping[str, Mapping[str, str]] = {
    "Call": {
        "channel": "unique name of the task channel",
        "is_voice": "`true` or `false`: whether the channel is voice, if its name does not say so",
        "direction": "`inbound`, `outbound` or `internal`",
        "customer": "number or address of the customer",
        "customer_call_sid": "leg of the customer",
        "customer_joined": "leg that the attributes' conference block names as the customer's",
        "worker_call_sid": "leg that the conference block names as the worker's",
        "conference_sid": "conference of the task",
        "call_sid": "leg of a task in another channel than voice",
        "queue": "name of the task queue",
        "canceled_reason": "why the task was canceled",
    },
    "Reservation": {
        "worker_sid": "the worker",
        "worker_name": "name of the worker in TaskRouter",
        "extension": "e-mail address of the worker, in lower case",
        "contact_uri": "contact URI of the worker",
        "full_name": "name of the worker in Flex",
        "team": "team of the worker",
        "queue": "name of the task queue",
        "transfer": "transfer that led to the reservation",
    },
    "Transfer": {
        "mode": "`COLD` or `WARM`",
        "type": "`WORKER` or `QUEUE`",
        "to": "worker or queue that the task goes to",
        "initiating_reservation_sid": "reservation of the transferring worker",
        "initiating_worker_sid": "the transferring worker",
    },
    "Leg": {
        "role": "`customer` or `worker`, as the task's attributes name the leg",
        "label": "label of the participant in the conference",
        "presence": "`joined` or `left`",
        "hold": "`true` or `false`",
        "muted": "`true` or `false`",
        "joined_muted": "`true` or `false`: whether the participant was muted when joining",
        "coaching": "`true` or `false`: whether the participant coaches an agent",
        "call_status": "status of the call leg: `in-progress`, `completed`, `busy`, ...",
        "from": "end from which the leg was called",
        "to": "end that was called",
        "call_direction": "direction of the leg, as Twilio names it",
        "owner": "the worker at one end of the leg, as Twilio answered",
        "other_task": "another task that names the leg",
        "listed_task": "another task; Twilio lists the leg in its conference",
    },
    "ReportedStream": {
        "call_sid": "leg of the media stream",
        "name": "name of the media stream",
        "status": "`started`, `stopped` or `error`",
        "error": "error, as Twilio reports it",
    },
}
"""By record type: the keys of `facts`."""

MILESTONES: Mapping[str, Mapping[str, str]] = {
    "Call": {
        "created": "the task was created",
        "updated": "the attributes of the task changed",
        "wrapup": "the task went to wrap-up",
        "canceled": "the task was canceled",
        "completed": "the task was completed",
        "deleted": "the task was deleted",
        "system-deleted": "Twilio deleted the task",
        "customer-joined": "an event first named the customer in the conference",
        "conference-start": "the conference started",
        "conference-end": "the conference ended",
        "swept": "the call was closed 24 hours after its beginning, because no event ended it",
        "added": "an event that was never delivered was added from Twilio's lists",
    },
    "Reservation": {
        "created": "the worker was asked",
        "accepted": "the worker accepted",
        "rejected": "the worker rejected",
        "timeout": "the worker did not answer in time",
        "canceled": "the reservation was canceled",
        "rescinded": "another worker got the task",
        "completed": "the worker completed the task",
        "failed": "the worker could not be called",
        "wrapup": "the worker went to wrap-up",
    },
    "Transfer": {
        "initiated": "the transfer began",
        "attempt-failed": "an attempt to reach the target failed",
        "completed": "the target took over",
        "failed": "the transfer failed",
        "canceled": "the transfer was canceled",
    },
    "Leg": {
        "answered": "the leg was answered",
        "joined": "the leg joined the conference",
        "left": "the leg left the conference",
        "completed": "the leg ended",
    },
    "ReportedStream": {
        "started": "Twilio reported that the media stream started",
        "stopped": "Twilio reported that the media stream stopped",
        "error": "Twilio reported an error",
    },
}
"""By record type: the keys of `milestones`. The value is the earliest time of the step (ms)."""
