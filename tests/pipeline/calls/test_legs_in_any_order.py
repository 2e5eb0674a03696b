"""Events of legs mean the same in any order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.view import view
from tests.examples import examples
from tests.pipeline.calls.histories import (
    CUSTOMER,
    CUSTOMER_LEG,
    inbound,
    outbound,
)
from tests.pipeline.calls.identified import (
    AGAIN,
    ANN,
    LABELS,
    OURS,
    OUTSIDE,
    fetched,
    folded,
    sids,
    talking,
)

_KINDS = st.sampled_from(["join", "leave", "hold", "mute", "call", "ends"])
_ENDS = st.sampled_from(
    [CUSTOMER, "client:ann_40example_2Ecom", "sip:x@y.example", "Anonymous", OURS, "+15550177"]
)
_MORE = st.lists(
    st.tuples(
        _KINDS,
        st.integers(4, 60).map(lambda n: n * 1_000),
        st.sampled_from([ANN, CUSTOMER_LEG, OUTSIDE, AGAIN]),
        st.sampled_from(LABELS),
        _ENDS,
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from([inbound, outbound]), _MORE, st.data())
def test_any_order_of_legs_events_means_the_same(
    begun: Any, more: list[tuple[str, int, str, str, str, bool]], data: st.DataObject
) -> None:
    """Labels, ends, legs that come back, and Twilio's answers, in any order and repeated."""
    story, fetched_legs = talking(begun()), []
    for kind, at, leg, label, end, muted in more:
        if kind == "call":
            story.call_status("answered", at, leg, From=OURS, To=end, Direction="outbound-api")
        elif kind == "ends":
            fetched_legs.append(fetched(leg, end))
        else:
            flag = str(muted).lower()
            story.participant(kind, at, leg, ParticipantLabel=label, Muted=flag)
    again = data.draw(st.permutations(story.events))
    repeated = data.draw(st.lists(st.sampled_from(story.events), max_size=3))
    one = folded(story.events, *fetched_legs)
    two = folded([*again, *repeated], *data.draw(st.permutations(fetched_legs)))
    assert view(one) == view(two)
    found = view(one)
    assert CUSTOMER_LEG not in sids(found.legs)["workers"] or begun is outbound
    if begun is inbound:
        gone = [leg for leg in found.legs.customers if leg.call_sid == CUSTOMER_LEG]
        assert found.definitive_end is None or all(leg.facts.get("presence") for leg in gone)
