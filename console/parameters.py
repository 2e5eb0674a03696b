"""Parse and check the parameters of query strings. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from console.times import parse_rfc3339
from pipeline.store.search import BadCursorError, Filters, read_cursor
from schemas.states import CaptureState, ReconciliationResult

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
CAPTURES = tuple(CaptureState)
RECONCILIATIONS = tuple(ReconciliationResult)
_SEARCH = (
    "agent", "customer", "call_sid", "task_sid", "from", "to", "q", "capture", "reconciliation",
    "withheld", "limit", "cursor",
)  # fmt: skip
_UNMATCHED = ("unmatched", "limit", "cursor")
_AUDIT = ("limit", "cursor")
_MAX_LENGTH = 500

T = TypeVar("T")


class BadParameterError(ValueError):
    """A parameter is wrong. The text names it and says which values are right."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")


@dataclass(frozen=True, slots=True)
class Search:
    """The filters of a search, and the page of its results to return."""

    filters: Filters
    limit: int
    cursor: str | None


def read_search(query: Iterable[tuple[str, str]]) -> Search:
    """Return the search that the parameters ask for. Empty parameters count as not given. Raise
    `BadParameterError`."""
    given = _given(query, _SEARCH)
    return Search(
        Filters(
            agent=_text(given.get("agent")),
            customer=_number(given.get("customer")),
            call_sid=_text(given.get("call_sid")),
            task_sid=_text(given.get("task_sid")),
            since=_parsed(given, "from", _time),
            until=_parsed(given, "to", _time),
            text=_text(given.get("q")),
            capture=_parsed(given, "capture", _capture),
            reconciliation=_parsed(given, "reconciliation", _reconciliation),
            withheld=_parsed(given, "withheld", _flag) or False,
        ),
        _parsed(given, "limit", _limit) or DEFAULT_LIMIT,
        _parsed(given, "cursor", _cursor),
    )


@dataclass(frozen=True, slots=True)
class UnmatchedPage:
    """The page of the recordings without a contact to return."""

    limit: int
    cursor: str | None


def read_unmatched(query: Iterable[tuple[str, str]]) -> UnmatchedPage:
    """Return the page that the parameters of `/api/recordings` ask for. Raise `BadParameterError`,
    also if `unmatched=true` is missing."""
    given = _given(query, _UNMATCHED)
    if given.get("unmatched", "").strip() != "true":
        raise BadParameterError(
            "unmatched",
            "must be true: only recordings without a contact are listed here; a single recording "
            "is at /api/recordings/{inum}, recordings of contacts are at /api/contacts",
        )
    limit = _parsed(given, "limit", _limit) or DEFAULT_LIMIT
    return UnmatchedPage(limit, _parsed(given, "cursor", _cursor))


@dataclass(frozen=True, slots=True)
class AuditPage:
    """The page of the audit table to return: the entries before a position, or the latest ones."""

    limit: int
    before: int | None


def read_audit(query: Iterable[tuple[str, str]]) -> AuditPage:
    """Return the page that the parameters of `/api/audit` ask for. Raise `BadParameterError`."""
    given = _given(query, _AUDIT)
    limit = _parsed(given, "limit", _limit) or DEFAULT_LIMIT
    return AuditPage(limit, _parsed(given, "cursor", _position))


def _given(query: Iterable[tuple[str, str]], known: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in query:
        if name not in known:
            raise BadParameterError(name[:50], f"unknown; known are {', '.join(known)}")
        if name in given:
            raise BadParameterError(name, "given more than once")
        if len(value) > _MAX_LENGTH or "\x00" in value:
            raise BadParameterError(name, f"must be text of at most {_MAX_LENGTH} characters")
        given[name] = value
    return {name: value for name, value in given.items() if value.strip()}


def _parsed(given: dict[str, str], name: str, parse: Callable[[str], T]) -> T | None:
    if name not in given:
        return None
    try:
        return parse(given[name])
    except (ValueError, OverflowError) as error:
        raise BadParameterError(name, f"{error}") from error


def _text(value: str | None) -> str | None:
    return None if value is None else value.strip()


def _number(value: str | None) -> str | None:
    # An unescaped plus sign in a query string means a space. No number begins with a space.
    if value is not None and value.startswith(" ") and value.strip()[:1].isdigit():
        return "+" + value.strip()
    return _text(value)


def _time(value: str) -> int:
    # The plus sign of an offset becomes a space too.
    text = value.strip()
    head, _, offset = text.rpartition(" ")
    return parse_rfc3339(f"{head}+{offset}" if "T" in head.upper() else text)


def _capture(value: str) -> str:
    if value.strip() not in CAPTURES:
        raise ValueError(f"must be one of {', '.join(CAPTURES)}")
    return value.strip()


def _reconciliation(value: str) -> str:
    if value.strip() not in RECONCILIATIONS:
        raise ValueError(f"must be one of {', '.join(RECONCILIATIONS)}")
    return value.strip()


def _flag(value: str) -> bool:
    text = value.strip().lower()
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _limit(value: str) -> int:
    text = value.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_LIMIT):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _position(value: str) -> int:
    text = value.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError("must be the `next` of an earlier page")
    return int(text)


def _cursor(value: str) -> str:
    try:
        _, last = read_cursor(value)
    except BadCursorError as error:
        raise ValueError(str(error)) from error
    if "\x00" in last:  # PostgreSQL would refuse the query
        raise ValueError("must be the `next` of an earlier page")
    return value
