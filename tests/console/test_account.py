"""Recordings and gaps of a contact as its page lists them."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from console.account import GAP_REASONS, GapEntry, RecordingEntry, entries, losses, lost, not_sent
from schemas.records import ContactGap
from tests.pipeline.store.contacts import CONTACT, NOON, RECORDING

_supplements = st.lists(
    st.tuples(st.integers(0, 4), st.none() | st.integers(0, 4), st.integers(0, 99)), max_size=6
)


@given(_supplements, st.lists(st.integers(0, 99), max_size=3))
def test_each_recording_and_gap_is_shown_once_in_order(
    made: list[tuple[int, int | None, int]], gaps: list[int]
) -> None:
    """Also supplements of recordings that are not there, and recordings that share an INUM."""
    recordings = tuple(
        replace(
            RECORDING, inum=str(inum), recording_id=str(number), started_at=NOON + at,
            supplement_of="" if of is None else str(of),
        )
        for number, (inum, of, at) in enumerate(made)
    )  # fmt: skip
    holes = tuple(ContactGap(NOON + at, NOON + at + 1, "", "") for at in gaps)
    found = entries(replace(CONTACT, recordings=recordings, gaps=holes))
    assert sorted(e.at for e in found) == [e.at for e in found]
    assert sorted(holes, key=str) == sorted(
        [e.gap for e in found if isinstance(e, GapEntry)], key=str
    )
    shown = [e for e in found if isinstance(e, RecordingEntry)]
    ids = [r.recording_id for e in shown for r in (e.recording, *e.supplements)]
    assert sorted(r.recording_id for r in recordings) == sorted(ids)
    assert all(s.supplement_of == e.recording.inum for e in shown for s in e.supplements)


@given(st.dictionaries(st.sampled_from(["not-sent", "not-received", "x"]), st.integers(0, 9)))
def test_losses_and_frames_not_sent_add_up(reasons: dict[str, int]) -> None:
    """Frames that Twilio did not send are no loss; all others are, with their reason."""
    recording = replace(RECORDING, lost=sum(reasons.values()), lost_for=reasons)
    assert recording.lost == lost(recording) + not_sent(recording)
    assert lost(recording) == sum(int(text.split()[0]) for text in losses(recording))


def test_every_gap_reason_has_words() -> None:
    """The closed list of the API."""
    reasons = (
        "twilio-refused twilio-unreachable no-leg never-reached-gateway handshake-refused "
        "gateway-died gateway-cut-off socket-dropped late-start late-events expired unknown"
    )
    assert set(reasons.split()) == set(GAP_REASONS)
