"""What the media of each call go through: silence, losses on the way, a stop that is ignored."""

from random import Random

from simulator.script import Line
from tests.system.chaos_audio.options import AudioOptions

TURNS_IN_A_SECOND = 50
SILENT_S = (6.0, 20.0)
FIRST_TURN = 60
"""Nothing happens to the frames before it."""
MOST_LOST = 60
STAYS_ON_MS = 20_000
"""Far longer than a gateway may let a media stream run after the stop."""


def lines(options: AudioOptions) -> list[Line]:
    """Return a line for each call; the same seed gives the same ones."""
    random = Random(options.seed + 3)
    return [_line(options, random) for _ in range(options.calls)]


def _line(options: AudioOptions, random: Random) -> Line:
    silent = lost = range(0)
    if random.random() < options.silent:
        least, most = SILENT_S
        seconds = random.uniform(least, max(least, min(most, options.seconds / 2)))
        silent = _turns(options, random, round(TURNS_IN_A_SECOND * seconds))
    if random.random() < options.lossy:
        lost = _turns(options, random, random.randint(1, MOST_LOST))
        if silent and random.random() < 0.5:
            lost = _beside(silent, len(lost), random)
    stays_on = random.random() < options.stubborn
    return Line(lost, silent, STAYS_ON_MS if stays_on else 0)


def _turns(options: AudioOptions, random: Random, length: int) -> range:
    last = round(TURNS_IN_A_SECOND * options.seconds) - length - FIRST_TURN
    begin = random.randint(FIRST_TURN, max(FIRST_TURN, last))
    return range(begin, begin + length)


def _beside(silent: range, length: int, random: Random) -> range:
    """Return turns right before the silence, or right after it."""
    if random.random() < 0.5:
        return range(max(1, silent.start - length), silent.start)
    return range(silent.stop, silent.stop + length)
