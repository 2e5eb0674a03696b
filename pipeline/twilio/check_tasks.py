"""The task SIDs of test calls (`flexcapture twilio check-call`). Pure.

A test call has no task at TaskRouter. It gets a task SID that begins with a constant of 64 bits, by
which every process recognizes the audio of a test call. No decision is made about a test call, and
it becomes neither a recording nor a contact. Only a ticket opens such a media stream, and only an
operator with the tickets' secret can issue one.
"""

PREFIX = "WTc4ecca11c4ecca11"
NONCE_BYTES = 8


def check_task_sid(nonce: bytes) -> str:
    """Return the task SID of a new test call. `nonce`: `NONCE_BYTES` random bytes."""
    return PREFIX + nonce.hex()


def is_check_task(task_sid: str) -> bool:
    """Return whether it is the task SID of a test call."""
    return task_sid.startswith(PREFIX)
