"""The name of a media stream, as Twilio is told: made of what identifies it, so that starting and
stopping it can be repeated."""

MAX_GENERATION = 9_999


def stream_name(task_sid: str, call_sid: str, generation: int) -> str:
    """The `Name` of the task's media stream of that generation on the leg `call_sid`."""
    return f"flexcapture-{task_sid}-{call_sid}-{generation}"


def start_command_id(task_sid: str, generation: int, attempt: int) -> str:
    """The id of a StartDuplicateStream: the same on any replay."""
    return f"start:{task_sid}:{generation}:{attempt}"


def verify_command_id(task_sid: str, call_sid: str, attempt: int) -> str:
    """The id of a VerifyLeg: the same on any replay."""
    return f"verify:{task_sid}:{call_sid}:{attempt}"


def fetch_command_id(task_sid: str, call_sid: str, attempt: int) -> str:
    """The id of a FetchLeg: the same on any replay."""
    return f"fetch:{task_sid}:{call_sid}:{attempt}"


def stop_command_id(task_sid: str, generation: int, stream_sid: str | None, attempt: int) -> str:
    """The id of a StopDuplicateStream. `stream_sid` tells apart media streams that are not ours,
    which share generation 0."""
    which = str(generation) if generation > 0 or stream_sid is None else stream_sid
    return f"stop:{task_sid}:{which}:{attempt}"
