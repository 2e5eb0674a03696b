"""The judge of coded audio, of media streams that were stopped."""

from typing import Any

from simulator.coded.judgement import Judgement
from simulator.expected import TRACKS, expected_audio
from tests.simulator.coded.recorded import ALL, TURNS, Recorded


class Withheld(Recorded):
    """The same, but a stop was decided at 0 s, and all frames from the turn `first` on are
    withheld; those from `read` on the gateway did not read."""

    def __init__(self, first: int, read: int = TURNS) -> None:
        super().__init__(set(range(read)), [])
        self.decisions = [{"at": "1970-01-01T00:00:00.000Z", "decision": "stop"}]
        begin = first * 20 - 2_000
        self.coded.began_at = -begin  # the turn `first` is at 2 s
        samples = len(self.expected.samples) // 2
        kept = [sent for track in TRACKS for number, sent in self.coded.sent(track)
                if number < first]  # fmt: skip
        self.expected = expected_audio(kept)
        at = len(self.expected.samples) // 2
        self.samples = {name: {"samples": at} for name in TRACKS}
        frames = dict.fromkeys(TRACKS, read - first)
        self.spans = [{"at": at, "samples": samples - at, "frames": frames}]
        self.withheld = 2 * (read - first)

    def judged_with(self, **changed: Any) -> Judgement:
        """The judgement, of a manifest of which some fields may be changed."""
        return self.judged(tracks=self.samples, withheld=self.spans, **changed)


def test_what_must_not_be_heard_is_accounted_for_apart() -> None:
    """It is withheld, and neither recorded nor lost; as many frames as the manifest says."""
    withheld = Withheld(30)
    judgement = withheld.judged_with()
    assert judgement.wrong == []
    assert (judgement.withheld, judgement.lost.total(), judgement.unaccounted) == (60, 0, 0)
    assert judgement.recorded == 60
    withheld.withheld -= 1
    assert withheld.judged_with().wrong


def test_frames_that_are_withheld_too_early_or_heard_too_late_are_found() -> None:
    """Two seconds after the stop is the limit."""
    early = Withheld(30)
    early.coded.began_at = -10_000
    assert any("must not be withheld but are" in text for text in early.judged_with().wrong)
    late = Recorded(ALL, [])
    late.coded.began_at = 10_000
    late.decisions = [{"at": "1970-01-01T00:00:00.000Z", "decision": "stop"}]
    assert any("must not be heard but are" in text for text in late.judged().wrong)


def test_frames_that_a_closed_socket_had_are_unread() -> None:
    """Only those of the last moments: others must be withheld."""
    withheld = Withheld(20, read=55)
    assert withheld.judged_with().unaccounted == 10
    withheld.coded.closed_at = withheld.coded.turned_at[-1]
    judgement = withheld.judged_with()
    assert (judgement.wrong, judgement.unread, judgement.unaccounted) == ([], 10, 0)
