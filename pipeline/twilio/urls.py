"""URLs of Twilio's REST APIs, and the hosts that requests to them are sent to. Pure.

With a base URL, requests to every API are sent there: paths of `api.twilio.com` unchanged, those of
another host after the first label of its name (`https://events.twilio.com/v1/Sinks` becomes
`BASE/events/v1/Sinks`). Without one they are sent to hosts below `twilio.com` only, so that no link
in an answer can lead the credentials elsewhere.
"""

from urllib.parse import urlsplit, urlunsplit

API = "https://api.twilio.com"
EVENTS = "https://events.twilio.com/v1"
TASKROUTER = "https://taskrouter.twilio.com/v1"
MONITOR = "https://monitor.twilio.com/v1"
INSIGHTS = "https://insights.twilio.com/v1"


def moved(url: str, base_url: str | None) -> str:
    """Return the URL to send a request to. `url`: Twilio's, or one that is below the base URL
    already. Without a base URL, raises `ValueError` for a URL on any host that is not Twilio's."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_twilio = parts.scheme == "https" and host.endswith(".twilio.com") and "@" not in parts.netloc
    if base_url is None:
        if not is_twilio:
            raise ValueError(f"{url!r} is not a URL of Twilio")
        return url
    base = urlsplit(base_url)
    root, path = base.path.rstrip("/"), parts.path
    label = host.partition(".")[0] if is_twilio else "api"
    if label != "api":
        path = f"{root}/{label}{path}"
    elif not path.startswith(root + "/"):  # a relative `next_page_uri` may have it already
        path = root + path
    return urlunsplit((base.scheme, base.netloc, path, parts.query, ""))
