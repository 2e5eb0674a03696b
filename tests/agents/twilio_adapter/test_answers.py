"""The values of fields in Twilio's answers: no content causes an error."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.twilio_adapter.answers import sid_of, text_of, unix_seconds
from pipeline.runtime.metrics import INVALID_SIDS
from pipeline.twilio.sids import SidKind
from tests.examples import examples

CALL = "CA" + "b" * 32
VALUES: st.SearchStrategy[Any] = st.sampled_from([None, True, 0, 7, 1.5, [], {}, [CALL], "", "x"])


@given(st.dictionaries(st.sampled_from(["sid", "label"]), VALUES | st.text(max_size=40)))
def test_other_types_count_as_missing(item: dict[str, Any]) -> None:
    """A text is then empty, and a SID is None."""
    assert (item["label"] if isinstance(item.get("label"), str) else "") == text_of(item, "label")
    assert sid_of(item, "sid", SidKind.CALL) is None


def test_a_sid_must_be_of_its_kind() -> None:
    """An invalid one is counted; a missing one is not."""
    before = INVALID_SIDS.labels("call")._value.get()
    assert CALL == sid_of({"sid": CALL}, "sid", SidKind.CALL)
    assert sid_of({}, "sid", SidKind.CALL) is None
    assert before == INVALID_SIDS.labels("call")._value.get()
    assert sid_of({"sid": "MZ" + "b" * 32}, "sid", SidKind.CALL) is None
    assert before + 1 == INVALID_SIDS.labels("call")._value.get()


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Mon, 29 Nov 2021 10:00:00 +0000", 1_638_180_000),
        ("Mon, 29 Nov 2021 12:00:00 +0200", 1_638_180_000),
        ("2021-11-29T10:00:00Z", 0),
        ("Mon, 29 Nov 99999999999 10:00:00 +0000", 0),
        ("", 0),
    ],
)
def test_dates_are_in_the_format_of_mails(date: str, seconds: float) -> None:
    """Any other text is 0: the beginning of time."""
    assert seconds == unix_seconds(date)


@given(st.text(max_size=40) | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]\d+"))
@settings(max_examples=examples(30))
def test_no_date_is_an_error(date: str) -> None:
    """For any answer from Twilio."""
    assert isinstance(unix_seconds(date), float)
