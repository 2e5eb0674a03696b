"""The name of a media stream at Twilio, made from the values that identify it, so that its start
and stop can be repeated; and the ids of commands."""

MAX_GENERATION = 9_999


def stream_name(task_sid: str, call_sid: str, generation: int) -> str:
    """Return the `Name` of the task's media stream of that generation on the leg `call_sid`."""
    return f"flexcapture-{task_sid}-{call_sid}-{generation}"


def start_command_id(task_sid: str, generation: int, attempt: int) -> str:
    """Return the id of a StartDuplicateStream, which is the same in any replay."""
    return f"start:{task_sid}:{generation}:{attempt}"


def find_command_id(task_sid: str, attempt: int) -> str:
    """Return the id of a FindConference, which is the same in any replay."""
    return f"find:{task_sid}:{attempt}"


def verify_command_id(task_sid: str, call_sid: str, attempt: int) -> str:
    """Return the id of a VerifyLeg, which is the same in any replay."""
    return f"verify:{task_sid}:{call_sid}:{attempt}"


def fetch_command_id(task_sid: str, call_sid: str, attempt: int) -> str:
    """Return the id of a FetchLeg, which is the same in any replay."""
    return f"fetch:{task_sid}:{call_sid}:{attempt}"


def stop_command_id(task_sid: str, generation: int, stream_sid: str | None, attempt: int) -> str:
    """Return the id of a StopDuplicateStream. `stream_sid` distinguishes media streams that are not
    ours, which share generation 0."""
    which = str(generation) if generation > 0 or stream_sid is None else stream_sid
    return f"stop:{task_sid}:{which}:{attempt}"
