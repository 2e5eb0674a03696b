"""The pages of a list, in the form of Twilio's REST API."""

from collections.abc import Sequence
from urllib.parse import urlencode

from simulator.script import Json
from simulator.world import ApiError

DEFAULT_PAGE_SIZE, LARGEST_PAGE = 50, 1000
ABSOLUTE = "https://api.twilio.com"


def paged(
    name: str,
    rows: Sequence[Json],
    path: str,
    query: dict[str, str],
    *,
    one_by_one: bool = False,
) -> Json:
    """Return a page of `rows`. `next_page_uri` is relative, and null on the last page.
    `one_by_one`: a page has one row, and URIs are absolute."""
    base = ABSOLUTE if one_by_one else ""
    query = query | ({"PageSize": "1"} if one_by_one else {})
    size, page = _number(query, "PageSize", DEFAULT_PAGE_SIZE), _number(query, "Page", 0)
    size = min(max(size, 1), LARGEST_PAGE)

    def uri(number: int) -> str:
        return base + path + "?" + urlencode(query | {"PageSize": str(size), "Page": str(number)})

    shown = rows[page * size : (page + 1) * size]
    more = len(rows) > (page + 1) * size
    return {
        name: shown,
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(len(shown) - 1, 0),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "previous_page_uri": uri(page - 1) if page else None,
        "next_page_uri": uri(page + 1) if more else None,
    }


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdigit():
        raise ApiError(400, 20001, f"Invalid {name}: {text!r}")
    return int(text)
