"""Twilio's recordings of a call are read, and those of use are chosen."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.recovery.sources import SourceState, choose, source_of
from tests.pipeline.recovery.contacts_made import AT, CUSTOMER, WORKER, source_at

WANTED = ((AT, AT + 60_000),)
RESOURCE: dict[str, Any] = {
    "sid": "RE" + "a" * 32,
    "call_sid": CUSTOMER,
    "conference_sid": "CF" + "a" * 32,
    "status": "completed",
    "channels": 2,
    "source": "Conference",
    "duration": "61",
    "start_time": "Mon, 21 Sep 2026 14:13:20 +0000",
    "encryption_details": None,
    "track": "both",
}


def test_a_resource_is_read() -> None:
    """The duration is text, the start has whole seconds."""
    found = source_of(RESOURCE)
    assert found is not None
    assert (1_790_000_000_000, 61_000, 2) == (found.started_at, found.duration_ms, found.channels)
    assert SourceState.READY == found.state
    assert found.encryption is None


def test_encryption_details_have_two_names() -> None:
    """Both are read; a recording with incomplete details still counts as encrypted."""
    one = {"encryption_public_key_sid": "CR1", "encryption_cek": "abc", "encryption_iv": "def"}
    two = {"type": "rsa-aes", "public_key_sid": "CR1", "encrypted_cek": "abc", "iv": "def"}
    for details in (one, two):
        found = source_of(RESOURCE | {"encryption_details": details})
        assert found is not None
        assert found.encryption is not None
        assert ("CR1", "abc", "def") == (
            found.encryption.public_key_sid, found.encryption.content_key, found.encryption.iv,
        )  # fmt: skip
    found = source_of(RESOURCE | {"encryption_details": {"type": "rsa-aes"}})
    assert found is not None
    assert found.encryption is not None


@given(
    st.dictionaries(
        st.sampled_from(list(RESOURCE)),
        st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.just({"a": 1}),
    )
)
def test_no_values_break_the_reading(values: dict[str, Any]) -> None:
    """A recording without a valid SID or start is left out."""
    found = source_of(RESOURCE | values)
    if found is not None:
        assert found.sid.startswith("RE")
        assert 0 <= found.duration_ms


def test_encryption_details_are_bounded() -> None:
    """4,096 characters, which is more than any key needs."""
    for length in (4_096, 4_097):
        details = {"public_key_sid": "CR1", "encrypted_cek": "a" * length, "iv": "def"}
        found = source_of(RESOURCE | {"encryption_details": details})
        assert found is not None
        assert found.encryption is not None
        assert "a" * 4_096 == found.encryption.content_key


def test_a_recording_that_may_add_a_second_is_fetched() -> None:
    """Its edges are known to a second. Less than that is not worth a request."""
    assert (source_at(60_000, 9_000),) == choose([source_at(60_000, 9_000)], WANTED, []).fetch
    assert () == choose([source_at(60_001, 9_000)], WANTED, []).fetch


def test_the_recording_that_covers_most_is_fetched_first() -> None:
    """Another one is fetched only for the remaining spans."""
    whole, part = source_at(-2_000, 65_000, 1), source_at(5_000, 10_000, 2)
    assert (whole,) == choose([part, whole], WANTED, [CUSTOMER]).fetch
    first, second = source_at(0, 30_000, 1), source_at(29_000, 40_000, 2)
    assert {first, second} == set(choose([first, second], WANTED, [CUSTOMER]).fetch)
    assert () == choose([source_at(100_000, 9_000)], WANTED, [CUSTOMER]).fetch


def test_the_conference_comes_before_a_leg_and_two_channels_before_one() -> None:
    """Recordings of the same span differ in their parties."""
    worker = source_at(0, 60_000, 9, conference_sid=None, call_sid=WORKER)
    mono = source_at(0, 60_000, 8, channels=1)
    dual = source_at(0, 60_000, 1)
    customer = source_at(0, 60_000, 2, conference_sid=None)
    assert (dual,) == choose([worker, mono, dual], WANTED, [CUSTOMER]).fetch
    assert (customer,) == choose([worker, customer], WANTED, [CUSTOMER]).fetch
    assert (worker,) == choose([worker], WANTED, [CUSTOMER]).fetch


def test_a_recording_of_one_side_comes_last() -> None:
    """With it alone the other side would be missing, and the time would count as captured."""
    one_sided = source_at(0, 61_000, 1, conference_sid=None, track="inbound")
    mono = source_at(0, 61_000, 2, conference_sid=None, call_sid=WORKER, channels=1)
    assert (mono,) == choose([one_sided, mono], WANTED, [CUSTOMER]).fetch
    assert (one_sided,) == choose([one_sided], WANTED, [CUSTOMER]).fetch


def test_what_is_not_ready_is_awaited_and_what_is_gone_has_its_reason() -> None:
    """A recording that is being processed states no length yet."""
    waits = source_at(0, 0, 1, status="processing")
    gone = source_at(0, 60_000, 2, status="absent")
    choice = choose([waits, gone], WANTED, [CUSTOMER])
    assert ((), (waits.sid,), {gone.sid: "status-absent"}) == (
        choice.fetch, choice.not_yet, dict(choice.refused),
    )  # fmt: skip
    ready = source_at(-1_000, 70_000, 3)
    assert ((ready,), ()) == (
        choose([ready, source_at(20_000, 20_000, 1, status="processing")], WANTED, []).fetch,
        choose([ready, source_at(20_000, 20_000, 1, status="processing")], WANTED, []).not_yet,
    )
