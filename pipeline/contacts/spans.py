"""Sets of moments as spans: (start, end) in ms, end exclusive. Pure.

A normalized sequence is sorted, without empty spans, and its spans neither overlap nor touch.
"""

from collections.abc import Iterable, Sequence

Span = tuple[int, int]
"""From `start` (ms, inclusive) to `end` (ms, exclusive)."""


def normalized(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the union of the spans, normalized."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def common(a: Sequence[Span], b: Sequence[Span]) -> tuple[Span, ...]:
    """Return the moments that are in both. Both must be normalized; so is the result."""
    found: list[Span] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, end = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if start < end:
            found.append((start, end))
        if a[i][1] <= b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(span: Span, taken: Sequence[Span]) -> tuple[Span, ...]:
    """Return the moments of `span` that are not in `taken`, which must be normalized."""
    found: list[Span] = []
    at = span[0]
    for start, end in common((span,), taken):
        if at < start:
            found.append((at, start))
        at = end
    return (*found, (at, span[1])) if at < span[1] else tuple(found)


def total(spans: Iterable[Span]) -> int:
    """Return the length in ms. The spans must not overlap."""
    return sum(end - start for start, end in spans)
