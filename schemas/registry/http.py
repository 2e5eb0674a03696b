"""Send requests to a schema registry over HTTP. This blocks."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
SECONDS = 10.0
_MOST_BYTES = 16 * 1024 * 1024
_MOST_ERROR_BYTES = 2_000


class RegistryError(RuntimeError):
    """The configured registry cannot be used as required. The text gives the reason."""


class RegistryAway(RegistryError):
    """The registry does not answer, or its answer is not that of a registry."""


class RegistryAnswer(RegistryError):
    """The registry refuses a request.

    `status`: of HTTP. `said`: the reason that it gives.
    """

    def __init__(self, request: str, status: int, said: str) -> None:
        super().__init__(f"the schema registry refuses {request} ({status}): {said}")
        self.status = status
        self.said = said


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirects, because urllib would send the credentials to the redirect's host."""

    def redirect_request(self, *_: object) -> None:
        """Follow no redirect. urllib then raises an `HTTPError` for the answer."""
        return


_opener = urllib.request.build_opener(_NoRedirects)


class RegistryHttp:
    """The registry at `url`, which may contain a path, a user and a password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.address = without_credentials(url)
        self._headers = {"Accept": CONTENT_TYPE, "Content-Type": CONTENT_TYPE}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"

    def get(self, path: str) -> Any:
        """Return the answer to GET. See `ask`."""
        return self.ask("GET", path)

    def find(self, path: str) -> Any | None:
        """Return the answer to GET; None if the resource does not exist (404). See `ask`."""
        try:
            return self.get(path)
        except RegistryAnswer as answer:
            if answer.status == 404:
                return None
            raise

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON value of the answer.

        Raise `RegistryAnswer` for an HTTP status that is not 2xx, and `RegistryAway`.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the setting is checked to be http(s)
            self.address + path, data, self._headers, method=method
        )
        try:
            with _opener.open(request, timeout=SECONDS) as answer:
                return json.loads(answer.read(_MOST_BYTES) or b"null")
        except urllib.error.HTTPError as error:
            said = _reason(error.read(_MOST_ERROR_BYTES).decode(errors="replace"))
            raise RegistryAnswer(f"{method} {path}", error.code, said) from error
        except (OSError, ValueError) as error:
            raise RegistryAway(
                f"the schema registry at {self.address} does not answer: {error}"
            ) from error


def without_credentials(url: str) -> str:
    """Return the URL without user and password, if it has any, and without a slash at its end."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _reason(body: str) -> str:
    """Return the message in the body of a refusal, or else the body in one line."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        message = body
    return " ".join(str(message).split()) or "no reason given"
