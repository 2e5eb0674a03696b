"""The pages of a list, in both of Twilio's styles. Pure.

The v2010 API names the next page with a relative `next_page_uri`, the others with an absolute
`meta.next_page_url`. Both are null on the last page.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from pipeline.twilio.urls import moved

LARGEST_PAGE = 1000
"""The most items that Twilio puts on a page."""


class PageElsewhere(ValueError):
    """The next page is not of the same list, so the rest of the list is unknown."""


def items_of(answer: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the items of a page. `key`: their name in an answer that does not state it
    (`meta.key`)."""
    found = answer.get(str(_meta(answer).get("key") or key), answer.get(key))
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def next_page(list_url: str, answer: Mapping[str, Any], base_url: str | None) -> str | None:
    """Return the URL to send the request for the next page to; None on the last page.

    `list_url`: Twilio's URL of the list; `base_url`: see `moved`. The result is always on the same
    host and path as the list. Raise `PageElsewhere` if the answer names another path or host.
    """
    following = _meta(answer).get("next_page_url") or answer.get("next_page_uri")
    if not isinstance(following, str) or not following:
        return None
    own = urlsplit(moved(list_url, base_url))
    # An imitation of Twilio below a base URL may name paths with or without the API's label.
    for start in (list_url, own.geturl()):
        try:
            there = urlsplit(moved(urljoin(start, following), base_url))
        except ValueError:
            continue
        if (there.scheme, there.netloc, there.path) == (own.scheme, own.netloc, own.path):
            return there.geturl()
    raise PageElsewhere(f"the next page of {own.path} is {following[:200]!r}")


def _meta(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = answer.get("meta")
    return meta if isinstance(meta, dict) else {}
