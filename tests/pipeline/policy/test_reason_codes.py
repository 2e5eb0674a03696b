"""Each decision has a code and, if one led to it, the reservation of an agent."""

import pytest

from pipeline.calls.view import view
from pipeline.policy.decide import decide, published, reason_code, reservation_of
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import Call, RecordingPolicy
from schemas.states import ReasonCode
from tests.pipeline.streams.calls import ANN, BOB, CAROL, call, reservation, transfer

T = 1_000_000
ON = reservation(ANN, created=T, accepted=T)
LEFT = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
UNMONITORED = reservation(BOB, created=T + 20, accepted=T + 30)
CALLED = reservation(CAROL, created=T + 60)
ENDED = {"conference-end": T + 50}
SWEPT = {"created": T, "swept": T + 50}
VIP = reservation(ANN, queue="VIP", created=T, accepted=T)
BRIDGED = call(LEFT, transfers=(transfer(initiated=T + 40),))

CASES = [
    (call(ON), None, "monitored-agent-active", "WRann"),
    (call(UNMONITORED, ON), None, "monitored-agent-active", "WRann"),
    (call(LEFT), "record", "last-monitored-agent-left", "WRann"),
    (call(LEFT, UNMONITORED), "record", "last-monitored-agent-left", "WRbob"),
    (call(LEFT), None, "no-monitored-agent", "WRann"),
    (call(UNMONITORED), None, "no-monitored-agent", "WRbob"),
    (call(LEFT, CALLED), "record", "transfer-under-way", "WRcarol"),
    (BRIDGED, "record", "transfer-under-way", "WRann"),
    (call(ON, direction="internal"), None, "internal-call", "WRann"),
    (call(ON, direction=None), None, "direction-unknown", "WRann"),
    (call(ON, direction="outbound"), None, "direction-not-recorded", "WRann"),
    (call(VIP), "record", "queue-excluded", "WRann"),
    (call(ON, milestones=ENDED), "record", "call-ended", "WRann"),
    (call(ON, milestones=ENDED), None, "no-monitored-agent", "WRann"),
    (call(ON, milestones=SWEPT), "record", "no-end-within-24-hours", "WRann"),
    (call(ON, channel="chat"), None, "not-voice", "WRann"),
    (call(reservation(ANN, created=T)), "record", "last-monitored-agent-left", None),
]


@pytest.mark.parametrize(("version", "last", "code", "reservation_sid"), CASES)
def test_a_decision_has_a_code_and_a_reservation(
    version: Call, last: str | None, code: str, reservation_sid: str | None
) -> None:
    """The code fits the published decision. If the reason is about no agent in particular, the
    reservation is that of the first agent on the call, or of the last to leave."""
    listed = (ANN, CAROL, "!queue:vip")
    history = PolicyHistory.of([RecordingPolicy(1, 0, 0, listed, True, False)])
    decision = decide(view(version), history, T + 70)
    decided, _ = published(decision, last)
    assert code == reason_code(decision, decided)
    assert code in set(ReasonCode)
    assert reservation_sid == reservation_of(decision, view(version))


def test_an_agent_who_was_taken_off_the_list() -> None:
    """Has a code, and the reservation."""
    lists = ((0, (ANN,)), (2, ()))
    versions = [RecordingPolicy(n, 0, n * T, listed, True, True) for n, listed in lists]
    decision = decide(view(call(ON)), PolicyHistory.of(versions), 2 * T + 1)
    assert ("agent-off-list", "WRann") == (reason_code(decision, "stop"), decision.reservation_sid)
    assert "no-monitored-agent" == reason_code(decision, "do-not-record")


def test_of_the_agents_who_left_the_last_is_meant() -> None:
    """In whatever order they came."""
    for last, sid in ((ANN, "WRann"), (CAROL, "WRcarol")):
        gone = [
            reservation(who, created=T + n, accepted=T + n, wrapup=T + 50 + 50 * (who == last))
            for n, who in enumerate((ANN, CAROL))
        ]
        seen = view(call(*gone))
        history = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN, CAROL), True, True)])
        assert sid == reservation_of(decide(seen, history, T + 5_000), seen)
