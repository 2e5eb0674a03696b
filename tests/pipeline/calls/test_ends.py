"""The ends of legs: one end in every notation, and ends that hide the caller."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.ends import Alike, LegEnds, alike, end_of, is_same, leg_ends

HIDDEN = [
    "Anonymous", "anonymous", "UNKNOWN", "Restricted", "private", "Withheld", "Unavailable",
    "+266696687", "266696687", "00266696687", "+7378742833", "+86282452253", "tel:+266696687",
    "sip:anonymous@anonymous.invalid", "sip:Anonymous@pbx.example.com:5060",
    '"Anonymous" <sip:anonymous@10.0.0.1;user=phone>', "sip:+266696687@pbx.example.com",
    "client:Anonymous", "client:anonymous", "", " ", "+", "00", "-", None,
]  # fmt: skip

SAME = [
    ("+15550100123", "15550100123"),
    ("+15550100123", "0015550100123"),
    ("+15550100123", "+1 (555) 010-0123"),
    ("+15550100123", "tel:+1-555-010-0123"),
    ("+15550100123", "TEL:+15550100123;phone-context=example.com"),
    ("+15550100123", " 1.555.010.0123 "),
    ("+15550100123", "+1\u00a0555\u2011010\u20110123"),
    ("+15550100123", "\uff0b\uff11\uff15\uff15\uff150100123"),
    ("+15550100123", "+15550100123,,42#"),
    ("+15550100123", "+1 555 010 0123 ext. 42"),
    ("+15550100123", "Ann <tel:+15550100123>"),
    ("+442079460000", "+44 (0)20 7946 0000"),
    ("911", " 911 "),
    ("sip:bob@pbx.example.com", "SIP:Bob@PBX.Example.COM"),
    ("sip:bob@pbx.example.com", "sips:bob@pbx.example.com:5061"),
    ("sip:bob@pbx.example.com", "sip:bob@pbx.example.com:5060;transport=TLS;lr"),
    ("sip:bob@pbx.example.com", "sip:bob@pbx.example.com;maddr=10.0.0.1?Subject=a@b&X-A=1"),
    ("sip:bob@pbx.example.com", '"Bob" <sip:bob@pbx.example.com:5080>;tag=77'),
    ("sip:bob@pbx.example.com", "<sip:bob:secret@pbx.example.com.>"),
    ("sip:bob@pbx.example.com", "sip:b%6Fb@pbx.example.com"),
    ("sip:bob@pbx.example.com", "bob@pbx.example.com"),
    ("sip:bob@[2001:db8::1]", "sip:bob@[2001:DB8::1]:5060"),
    ("sip:+15550100@10.0.0.1", "sip:+15550100@10.0.0.1:5062;user=phone"),
    ("client:ann@example.com", "client:ann_40example_2Ecom"),
    ("client:ann@example.com", "CLIENT:Ann_40Example_2ecom"),
    ("client:ann@example.com", "client:ann_40example_2Ecom?via=web"),
    ("client:ann_smith", "client:ann_5Fsmith"),
]

DIFFERENT = [
    ("+15550100123", "+15550100124"),
    ("+15550100123", "sip:+15550100123@pbx.example.com"),
    ("sip:bob@pbx.example.com", "sip:bob@other.example.com"),
    ("sip:bob@pbx.example.com", "sip:rob@pbx.example.com"),
    ("client:ann@example.com", "sip:ann@example.com"),
    ("client:ann@example.com", "client:ann"),
    ("client:15550100", "+15550100"),
]


@pytest.mark.parametrize("text", HIDDEN)
def test_a_hidden_caller_is_the_same_as_nothing(text: str | None) -> None:
    """Not even as itself: two anonymous callers are two callers."""
    assert end_of(text) is None
    assert not is_same(text, text)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_end_in_two_notations(one: str, other: str) -> None:
    """Schemes, ports, parameters, case, prefixes and punctuation make no difference."""
    assert is_same(one, other)
    assert is_same(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_ends_are_two(one: str, other: str) -> None:
    """Another number, user, host or kind of end."""
    assert not is_same(one, other)


@pytest.mark.parametrize(
    ("end", "sought", "expected"),
    [
        ("+15550100123", "15550100123", Alike.SAME),
        ("+15550100123", "5550100123", Alike.UNSURE),
        ("+495550100123", "05550100123", Alike.UNSURE),
        ("+15550100123", "+15550100124", Alike.OTHER),
        ("911", "112", Alike.OTHER),
        ("sip:bob@pbx.example.com", "sip:bob@10.0.0.1", Alike.UNSURE),
        ("sip:bob@pbx.example.com", "sip:rob@pbx.example.com", Alike.OTHER),
        ("sip:+15550100123@pbx.example.com", "+15550100123", Alike.UNSURE),
        ("client:ann", "+15550100123", Alike.OTHER),
        ("client:ann", "client:bob", Alike.OTHER),
        ("Acme Inc.", "+15550100123", Alike.UNSURE),
    ],
)
def test_ends_that_may_be_one(end: str, sought: str, expected: Alike) -> None:
    """A number without its prefix, a user behind another host, or a text that is no address."""
    one, other = end_of(end), end_of(sought)
    assert one is not None
    assert other is not None
    assert expected == alike(one, other) == alike(other, one)


_DIGITS = st.text(string.digits, min_size=3, max_size=15).filter(lambda d: not d.startswith("0"))
_NAMES = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12).filter(
    lambda name: name not in {"anonymous", "unknown", "restricted", "private", "blocked"}
)


@st.composite
def _numbers(draw: st.DrawFn, digits: str) -> str:
    """A number in some notation."""
    separators = st.sampled_from(["", "", "", " ", "-", ".", "\u00a0", "/"])
    spaced = "".join(digit + draw(separators) for digit in digits)
    prefix = draw(st.sampled_from(["+", "", "00", "tel:+", "TEL:", "(+"]))
    closing = ")" if prefix == "(+" else ""
    return f"{prefix}{spaced}{closing}{draw(st.sampled_from(['', ';ext=9', ' ', ';a=b;c']))}"


@st.composite
def _sip(draw: st.DrawFn, user: str, host: str) -> str:
    """A SIP address in some notation."""
    scheme = draw(st.sampled_from(["sip:", "sips:", "SIP:", ""]))
    recased = draw(st.sampled_from([str.lower, str.upper, str.title]))
    port = draw(st.sampled_from(["", ":5060", ":5061"]))
    more = draw(st.sampled_from(["", ";transport=udp", "?X-A=b", ";lr?Subject=c%20d"]))
    address = f"{scheme}{recased(f'{user}@{host}')}{port}{more}"
    return f'"Some One" <{address}>;tag=1' if draw(st.booleans()) else address


@st.composite
def _client(draw: st.DrawFn, name: str) -> str:
    """A Flex client in some notation."""
    encoded = "".join(
        f"_{ord(c):02X}" if not c.isalnum() and draw(st.booleans()) else c for c in name
    )
    return f"{draw(st.sampled_from(['client:', 'Client:']))}{encoded}"


@st.composite
def _two_notations(draw: st.DrawFn) -> tuple[str, str]:
    """One end, written twice."""
    match draw(st.sampled_from(["number", "sip", "client"])):
        case "number":
            digits = draw(_DIGITS)
            return draw(_numbers(digits)), draw(_numbers(digits))
        case "sip":
            user, host = draw(_NAMES), f"{draw(_NAMES)}.example.com"
            return draw(_sip(user, host)), draw(_sip(user, host))
        case _:
            name = f"{draw(_NAMES)}@{draw(_NAMES)}.com"
            return draw(_client(name)), draw(_client(name))


@given(_two_notations())
def test_an_end_is_itself_in_every_notation(notations: tuple[str, str]) -> None:
    """Reflexive under every notation, and in normal form already if written so again."""
    one, other = notations
    assert (end_of(one) == end_of(other)) or end_of(one) is None
    normal = end_of(one)
    assert normal is None or end_of(normal) == normal


_ANY = st.one_of(_two_notations().map(lambda pair: pair[0]), st.sampled_from(HIDDEN), st.text())


@given(_ANY, _ANY)
def test_comparing_ends_is_symmetric(one: str | None, other: str | None) -> None:
    """For any texts; and equal ends are also alike."""
    assert is_same(one, other) == is_same(other, one)
    a, b = end_of(one), end_of(other)
    if a is not None and b is not None:
        assert alike(a, b) == alike(b, a)
        assert (alike(a, b) is Alike.SAME) == is_same(one, other)


def test_the_person_is_at_the_far_end_of_a_leg() -> None:
    """A leg that came in: `from`; one that Twilio called: `to`. Flex calls an agent with the
    customer's number as caller id."""
    customer, agent = "+15550100", "client:ann"
    assert leg_ends(customer, agent, "outbound-api").persons == ("client:ann",)
    assert leg_ends(customer, "+15559999", "inbound").persons == ("tel:15550100",)
    assert leg_ends(customer, agent, None).persons == ("client:ann",)
    assert leg_ends(customer, "+15559999", "trunking").persons == ("tel:15559999", "tel:15550100")
    assert leg_ends("Anonymous", "+15559999", "inbound").persons == ()
    assert LegEnds().persons == ()
