"""Words that Flex writes in attributes, and their meaning."""

import re
from typing import Any


def text(value: Any) -> str | None:
    """Return a word without blanks around it; None if there is none. Half a surrogate pair is read
    as U+FFFD."""
    if not isinstance(value, str):
        return None
    return re.sub("[\ud800-\udfff]", "\ufffd", value).strip() or None


def direction_of(task: dict[str, Any]) -> str | None:
    """inbound, outbound or internal, by a voice task's attributes; None if they do not say."""
    to_client = any(
        str(task.get(n) or "").strip().startswith("client:") for n in ("to", "outbound_to")
    )
    flagged = any(str(task.get(name)).lower() == "true" for name in ("client_call", "internal"))
    if to_client or flagged:
        return "internal"
    direction_text = (text(task.get("direction")) or "").lower()
    if text(task.get("outbound_to")):
        return "outbound"
    for direction in ("inbound", "outbound"):
        if direction_text.startswith(direction):
            return direction
    if text(task.get("outbound_to")):
        return "outbound"
    called_in = text(task.get("call_sid")) and (text(task.get("from")) or text(task.get("caller")))
    return "inbound" if called_in else None


def extension_of(worker: dict[str, Any]) -> str | None:
    """The Flex user name: the e-mail address, else the contact URI's user, else the name."""
    if worker.get("email"):
        return str(worker["email"]).lower()
    if worker.get("contact_uri"):
        return plain_user(worker["contact_uri"]).lower()
    return str(worker["worker_name"]).lower() if worker.get("worker_name") else None


def plain_user(contact_uri: str) -> str:
    """`ann@example.com` of `client:ann_40example_2Ecom`: a special character is an underscore and
    its code in two hexadecimal digits."""
    pieces = contact_uri.split(":", 1)[-1].split("_")
    plain = pieces[0]
    for piece in pieces[1:]:
        try:
            char = chr(int(piece[:2], 16)) if len(piece) >= 2 else ""
        except ValueError:
            char = ""
        special = char.isascii() and char.isprintable() and not char.isspace()
        if char and special and not char.isalnum():
            plain += char + piece[2:]
        else:
            plain += "_" + piece
    return plain


def marks_of(reservation_sid: str, worker: dict[str, Any]) -> set[str]:
    """What, as a leg's label or address, means this worker; lower case."""
    words = [reservation_sid, extension_of(worker)]
    words += [worker.get(name) for name in ("worker_sid", "worker_name", "full_name")]
    if (uri := worker.get("contact_uri")) is not None:
        plain = plain_user(uri)
        words += [uri, uri.split(":", 1)[-1], plain, f"client:{plain}"]
    return {word.lower() for word in words if word}
