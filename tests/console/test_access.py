"""The pure parts of access: headers, conditions, delays, playbacks, limits of sessions."""

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from console.auditing import SAME_PLAYBACK_MS, Playbacks
from console.checks import bearer_token, is_from_own_page, is_host, own_path, sign_in_path
from console.ranges import none_match_fails
from console.sessions import ABSOLUTE_MS, IDLE_MS, expires_at, is_valid
from console.wrong_tokens import (
    FORGET_MS,
    LONGEST_DELAY_S,
    MAX_ADDRESSES,
    MAX_DELAYED,
    MAX_DELAYED_OF_ADDRESS,
    WrongTokens,
    network_of,
)
from pipeline.store.sessions import ConsoleSession

TAG = st.text(st.characters(min_codepoint=0x23, max_codepoint=0x7E), max_size=5).map('"{}"'.format)
TEXT = st.text(max_size=30) | st.sampled_from(["http://[", "//[", "[::1", "null", "a:b:c"])


@given(st.lists(st.tuples(TAG, st.booleans()), min_size=1, max_size=5), TAG, st.data())
def test_a_list_of_tags_names_the_version_if_one_tag_does(
    tags: list[tuple[str, bool]], etag: str, data: st.DataObject
) -> None:
    """Weak or not, however the list is laid out in fields."""
    fields = [""]
    for tag, is_weak in tags:
        fields[-1] += data.draw(st.sampled_from(["", " ", ", ,"])) + ("W/" if is_weak else "") + tag
        if data.draw(st.booleans()):
            fields.append("")
        else:
            fields[-1] += data.draw(st.sampled_from([",", " , "]))
    assert (etag in [tag for tag, _ in tags]) == none_match_fails(fields, etag)


@given(st.lists(TEXT, max_size=3))
def test_no_header_breaks_the_condition(fields: list[str]) -> None:
    """A header that is not a list of tags is ignored, except for `*`."""
    if '"' not in "".join(fields):
        is_star = [f.strip(" \t") for f in fields if f.strip(" \t,")] == ["*"]
        assert is_star or not none_match_fails(fields, '"x"')


@given(TEXT, TEXT, TEXT)
def test_no_header_breaks_the_checks(first: str, second: str, third: str) -> None:
    """Whatever was sent, each check says yes or no, and every path stays on this site."""
    sent = {"origin": first, "host": second, "authorization": third}
    headers = Headers({k: v.encode().decode("latin-1") for k, v in sent.items()})
    is_from_own_page(headers)
    bearer_token(headers)
    is_host(second)
    path = own_path(first)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert sign_in_path("GET", first, second).isascii()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2 * FORGET_MS), st.booleans())))
def test_delays_grow_and_are_few(steps: list[tuple[int, int, bool]]) -> None:
    """Attempts count up by address, until it was quiet for 15 minutes; few wait at once."""
    tokens, now, waiting = WrongTokens(), 0, []
    last: dict[str, tuple[int, int]] = {}
    for number, later, answers in steps:
        now += later
        address = f"10.0.0.{number}"
        refusal = tokens.refuse(address, now)
        at, attempt = last.get(address, (-FORGET_MS - 1, 0))
        assert refusal.attempt == (1 if now - at > FORGET_MS else attempt + 1)
        last[address] = now, refusal.attempt
        if refusal.delay_s is None:
            assert MAX_DELAYED_OF_ADDRESS == sum(r.network == address for r in waiting)
        else:
            assert 0 < refusal.delay_s <= LONGEST_DELAY_S
            waiting.append(refusal)
        if answers and waiting:
            tokens.answered(waiting.pop(0))
        assert len(waiting) <= MAX_DELAYED


def test_addresses_are_bounded() -> None:
    """A flood from many addresses fills neither the memory nor the places of others for ever."""
    tokens = WrongTokens()
    for number in range(MAX_ADDRESSES + 500):
        refusal = tokens.refuse(f"a{number}", number)
        assert (refusal.delay_s is None) == (number >= MAX_DELAYED)
    assert len(tokens._addresses) <= MAX_ADDRESSES


def test_what_counts_as_one_client() -> None:
    """An IPv4 address, however it is written, and the /64 of an IPv6 address."""
    assert "10.0.0.1" == network_of("10.0.0.1") == network_of("::ffff:10.0.0.1")
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert "x" * 64 == network_of("x" * 99)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, SAME_PLAYBACK_MS)), max_size=30))
def test_every_range_lies_in_a_playback_that_has_an_entry(steps: list[tuple[int, int]]) -> None:
    """An entry of the same visitor and recording, less than 10 minutes before."""
    playbacks, now, entries = Playbacks(), 0, []
    for recording, later in steps:
        now += later
        key = ("playback", "token", str(recording))
        if not playbacks.is_covered(key, now):
            playbacks.note(key, now)
            entries.append((key, now))
        assert any(k == key and now - at < SAME_PLAYBACK_MS for k, at in entries)


@given(st.integers(0, 10**6), st.integers(0, ABSOLUTE_MS), st.integers(0, 2 * ABSOLUTE_MS))
def test_a_session_is_valid_until_it_expires(begun: int, active: int, later: int) -> None:
    """Idle and absolute limit, whichever comes first."""
    session = ConsoleSession("x", begun, begun + active, "", "")
    now = begun + later
    assert is_valid(session, now) == (now < expires_at(session))
    assert is_valid(session, now) == (later - active < IDLE_MS and later < ABSOLUTE_MS)
