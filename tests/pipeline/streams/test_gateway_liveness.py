"""Which gateways are alive, by their signs of life while ticks came regularly."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.streams.gateway_liveness import Fate, Gateways

FORGET_MS = 60 * 60_000
SILENT_MS = 10_000
STALE_AFTER_MS = 3_000
T = 1_000_000


def _ticked(gateways: Gateways, first: int, seconds: int) -> int:
    """A tick a second; the time of the last."""
    for now in range(first, first + seconds * 1_000, 1_000):
        gateways.ticked(now)
    return first + (seconds - 1) * 1_000


def test_a_gateway_without_a_record_for_ten_seconds_of_ticks_is_silent() -> None:
    """Not a tick before."""
    gateways = Gateways()
    gateways.ticked(T)
    gateways.note_alive("g1", 1)
    _ticked(gateways, T + 1_000, 9)
    before = gateways.fate("g1", 1)
    gateways.ticked(T + SILENT_MS)

    assert (Fate.ALIVE, Fate.SILENT) == (before, gateways.fate("g1", 1))


def test_a_gateway_without_any_record_is_given_the_same_time() -> None:
    """From the first tick: the process may have begun only now."""
    gateways = Gateways()
    unknown = gateways.fate("g1", 1)
    _ticked(gateways, T, 10)
    before = gateways.fate("g1", 1)
    gateways.ticked(T + SILENT_MS)

    assert (Fate.UNKNOWN, Fate.UNKNOWN, Fate.SILENT) == (
        unknown, before, gateways.fate("g1", 1),
    )  # fmt: skip


def test_a_later_life_ends_the_earlier_one() -> None:
    """At once; a word of the earlier one, read again, does not bring it back."""
    gateways = Gateways()
    gateways.note_alive("g1", 2)
    gateways.note_alive("g1", 1)

    assert (Fate.REPLACED, Fate.ALIVE) == (
        gateways.fate("g1", 1),
        gateways.fate("g1", 2),
    )


def test_what_a_replaced_life_took_in_later_runs_all_the_same() -> None:
    """Two processes have one name, or epochs went back: the media stream must be stopped."""
    gateways = Gateways()
    gateways.ticked(T)
    gateways.note_alive("g1", 9)
    _ticked(gateways, T + 1_000, 5)
    gateways.note_alive("g1", 7)

    limit = T + STALE_AFTER_MS
    fates = [gateways.fate("g1", 7, since) for since in (None, T - 1, limit, limit + 1)]
    assert [
        Fate.REPLACED,
        Fate.REPLACED,
        Fate.REPLACED,
        Fate.STALE,
    ] == fates
    assert Fate.ALIVE == gateways.fate("g1", 9, limit + 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20_000)), min_size=1, max_size=30))
def test_a_gateway_is_replaced_from_its_greatest_epoch_on(steps: list[tuple[int, int]]) -> None:
    """Whatever order its epochs are received in: the verdict is that of a model that keeps all."""
    gateways, now, received = Gateways(), T, list[tuple[int, int]]()
    for epoch, gap in steps:
        now += gap
        gateways.ticked(now)
        gateways.note_alive("g1", epoch)
        received.append((epoch, now))
    greatest = max(epoch for epoch, _ in received)
    since = next(at for epoch, at in received if epoch == greatest)
    for at in (since, since + STALE_AFTER_MS, since + STALE_AFTER_MS + 1):
        expected = Fate.STALE if at > since + STALE_AFTER_MS else Fate.REPLACED
        assert expected == gateways.fate("g1", greatest - 1, at)
    assert gateways.fate("g1", greatest, now) is Fate.ALIVE


def test_ticks_of_several_partitions_may_come_in_any_order() -> None:
    """A partition that is behind neither breaks the regularity nor sets the clock back."""
    gateways = Gateways()
    for now in range(T, T + 10_000, 1_000):
        gateways.ticked(now)
        gateways.ticked(now - 30_000)
        gateways.note_alive("g1", 1)

    assert T == gateways.steady_since
    assert Fate.ALIVE == gateways.fate("g1", 1)


def test_gateways_silent_for_long_are_forgotten() -> None:
    """Names that never come again take no room."""
    gateways = Gateways()
    for hour in range(5):
        gateways.ticked(T + hour * (FORGET_MS + 1))
        gateways.note_alive(f"g{hour}", 1)

    assert ["g4"] == list(gateways._last_signs)


@given(st.lists(st.tuples(st.integers(1, 120_000), st.booleans()), max_size=60))
def test_silence_is_ten_seconds_of_regular_ticks_without_a_word(
    steps: list[tuple[int, bool]],
) -> None:
    """Whatever the gaps: the verdict is that of a model that keeps every tick."""
    gateways, now = Gateways(), T
    ticks: list[tuple[int, bool]] = []  # when, and whether its record was received right after
    for gap, received in steps:
        now += gap
        gateways.ticked(now)
        if received:
            gateways.note_alive("g1", 1)
        ticks.append((now, received))

    assert _silent(ticks) == (gateways.fate("g1", 1) is Fate.SILENT)


def _silent(ticks: list[tuple[int, bool]]) -> bool:
    """Back from the last tick, as long as ticks are regular and nothing was received."""
    if not ticks:
        return False
    since = last = ticks[-1][0]
    for at, received in reversed(ticks):
        if last - at > 3_000:
            break
        since = last = at
        if received:
            break
    return ticks[-1][0] - since >= SILENT_MS
