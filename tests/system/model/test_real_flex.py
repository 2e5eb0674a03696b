"""The model's rules for calls that no textbook shows, on plain examples."""

from typing import Any

import pytest

from tests.system.model.cast import Account, Part
from tests.system.model.ends import address, same
from tests.system.model.parts import Story
from tests.system.model.reading import attributes, moment
from tests.system.model.required import required
from tests.system.model.scene import CUSTOMER, TASK, Scene
from tests.system.model.showing import START, stamps_of
from tests.system.model.story import story
from tests.system.model.unusual import ODD_MEMBERS
from tests.system.model.verdicts import Delivery, ListVersion, changes_of, timeline
from tests.system.model.words import direction_of, text

LIST = (ListVersion(1, START - 1_000, ("ann@example.com", "bob@example.com")),)
THIRD = "CA" + "9" * 32
OTHER = "CA" + "8" * 32
BARE = Account(label=None, customer_label=False, block="never")
"""Nothing is labelled, and the attributes never name the conference."""
WITH_ENDS = Account(label=None, customer_label=False, block="never", calls=True, ends=True)


def with_ann(account: Account, direction: str = "inbound", **more: Any) -> tuple[Scene, Part]:
    """Ann has accepted, 2 s after the call began; an outbound call's customer answers 1 s later."""
    scene = Scene(account=account, direction=direction, **more)
    scene.begin()
    scene.now += 1_000
    ann = scene.offer("ann")
    scene.now += 1_000
    scene.accept(ann)
    if direction == "outbound" and not scene.task_type:
        scene.now += 1_000
        scene.dialled(ann)
    return scene, ann


def third_party(scene: Scene, label: str | None, to: str = "+15557770000") -> None:
    """A third party joins, and leaves 2 s later; another 2 s pass."""
    scene.now += 2_000
    scene.answers(THIRD, to, "+15559990000")
    scene.join(THIRD, label)
    scene.now += 2_000
    scene.drop(THIRD)
    scene.now += 2_000


def of(scene: Scene) -> Story:
    """The story of all that is known."""
    found = story(scene.known, TASK)
    assert found is not None
    return found


def words(scene: Scene) -> list[tuple[str, str]]:
    """The decisions that are published."""
    found: list[Delivery] = []
    for event, arrived in sorted(scene.known, key=lambda k: k[1]):
        found.append((max(arrived, found[-1][0] + 1 if found else 0), event, arrived))
    last = scene.known[-1][1] + 1_000
    return [(w, kind) for when, w, kind in changes_of(timeline(found, TASK, LIST)) if when <= last]


@pytest.mark.parametrize("label", ["external", "external party", "caller", "customer", None])
@pytest.mark.parametrize("account", [Account(), WITH_ENDS, BARE])
@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_a_third_party_is_not_the_customer(
    label: str | None, account: Account, direction: str
) -> None:
    """With any label: the call continues when it leaves."""
    scene, _ = with_ann(account, direction)
    third_party(scene, label)
    found = of(scene)
    assert found.customer_leg != THIRD
    assert (None, None) == (found.over_at, found.sessions[0].ended_at)
    assert [("record", "monitored")] == words(scene)


def test_the_label_customer_means_the_customer_if_nothing_else_does() -> None:
    """Of a leg that did not come after customer and agent were both there."""
    scene, _ = with_ann(Account(block="never"), "outbound")
    assert scene.customer_leg == of(scene).customer_leg
    scene.drop(scene.customer_leg)
    assert "ended" == of(scene).state


def test_the_ends_of_a_leg_come_before_its_label() -> None:
    """A leg that calls the worker is the worker's, one that calls the customer the customer's."""
    scene = Scene(account=WITH_ENDS, direction="outbound")
    scene.begin()
    ann = scene.offer("ann")
    scene.accept(ann)
    scene.answers(THIRD, "+15557770000", "+15559990000")
    scene.join(THIRD, "customer")
    scene.dialled(ann)
    assert scene.customer_leg == of(scene).customer_leg
    scene.drop(THIRD)
    assert "active" == of(scene).state


@pytest.mark.parametrize("phones", ["client", "number", "sip"])
@pytest.mark.parametrize(
    ("customer", "end"),
    [
        ("sip:Desk.9@PBX.example.com:5061;transport=tls", "sip:desk.9@pbx.example.com"),
        ("0015550001111", "+15550001111"),
        ("1 555 000 1111", "+15550001111"),
    ],
)
def test_an_outbound_call_is_known_by_its_ends(phones: str, customer: str, end: str) -> None:
    """Customer and agent may be on any kind of address, in any notation."""
    account = Account(**{**vars_of(WITH_ENDS), "phones": phones})
    scene, _ = with_ann(account, "outbound", customer=customer, customer_end=end)
    found = of(scene)
    assert (scene.customer_leg, True) == (found.customer_leg, found.answered)
    assert customer == found.customer


def vars_of(account: Account) -> dict[str, Any]:
    """The account's fields."""
    return dict(vars(account))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:Ann@PBX.example.com", "<sips:ann@pbx.EXAMPLE.com:5061;transport=tls?x=y>"),
        ('"Ann" <sip:ann@pbx.example.com>', "sip:ann@pbx.example.com;user=phone"),
        ("+1 (555) 000-1111", "0015550001111"),
        ("tel:+1-555-000-1111", "15550001111"),
        ("client:ann_40example_2Ecom", "client:Ann@example.com"),
    ],
)
def test_notations_of_one_address(one: str, other: str) -> None:
    """They are the same, and nothing else is."""
    assert same(one, other)
    assert same(other, one)
    assert not same(one, other + "1" if other[-1].isdigit() else "sip:bob@pbx.example.com")


@pytest.mark.parametrize("end", ["", None, "Anonymous", "+266696687", "sip:anonymous@x.invalid"])
def test_an_anonymous_end_identifies_no_party(end: str | None) -> None:
    """Not even that of another anonymous end."""
    assert address(end) is None
    assert not same(end, end)


@pytest.mark.parametrize("inbound", [True, False])
def test_a_leg_that_comes_back_continues_the_session(inbound: bool) -> None:
    """While it is absent the recording stops, for that reason; the ends show that it is back."""
    scene, ann = with_ann(WITH_ENDS)
    scene.now += 5_000
    gone_at = scene.now
    scene.drop(ann.call_sid)
    assert ("stop", "absent") == words(scene)[-1]
    assert (gone_at, "active") == (of(scene).sessions[0].ended_at, of(scene).state)
    scene.now += 180_000
    ends = ("+15559990000", ann.address) if inbound else (ann.address, "+15559990000")
    scene.answers(OTHER, *ends, "inbound" if inbound else "outbound-api")
    scene.join(OTHER, None)
    assert ["record", "stop", "record"] == [word for word, _ in words(scene)]
    back_at = scene.now
    scene.now += 5_250
    scene.hang_up()
    [session] = of(scene).sessions
    assert scene.now == session.ended_at
    spans = required(scene.known, TASK, LIST, scene.now + 60_000)
    assert [(START + 2_000, gone_at), (back_at, scene.now)] == spans


def test_a_stranger_does_not_count_as_the_agent() -> None:
    """A leg that nothing identifies starts no recording; the session ended with the agent's leg."""
    scene, ann = with_ann(WITH_ENDS)
    scene.now += 5_000
    gone_at = scene.now
    scene.drop(ann.call_sid)
    scene.now += 2_000
    scene.answers(THIRD, "+15557770000", "+15559990000")
    scene.join(THIRD, None)
    scene.now += 9_000
    scene.hang_up()
    assert ["record", "stop"] == [word for word, _ in words(scene)]
    assert gone_at == of(scene).sessions[0].ended_at


def test_a_cold_transfer_is_bridged_though_the_leg_leaves_first() -> None:
    """The leg's leaving is known before the reservation's end: the recording continues."""
    scene, ann = with_ann(Account())
    begun = scene.transfer(ann, "COLD", "WORKER")
    scene.now += 200
    scene.offer("bob", transfer=begun)
    scene.drop(ann.call_sid)
    assert [("record", "monitored")] == words(scene)


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_the_customer_named_anew_is_a_third_party(direction: str) -> None:
    """It leaves, and the call continues."""
    scene, ann = with_ann(Account(label=None, customer_label=False), direction)
    scene.join(THIRD, None)
    people = {"customer": THIRD, "worker": ann.call_sid}
    scene.attributes |= {"conference": {"participants": people}}
    scene.task("updated")
    scene.now += 2_000
    scene.drop(THIRD)
    found = of(scene)
    assert (scene.customer_leg, None) == (found.customer_leg, found.over_at)


def test_a_workers_call_sid_on_an_outbound_task_is_not_the_customers() -> None:
    """The customer's leg is another one."""
    scene, ann = with_ann(Account(label=None), "outbound")
    scene.attributes |= {"call_sid": ann.call_sid}
    scene.task("updated")
    assert scene.customer_leg == of(scene).customer_leg


@pytest.mark.parametrize("label", [None, "supervisor"])
@pytest.mark.parametrize("flag", [{"Muted": "true"}, {"Coaching": "true"}])
def test_a_supervisor_does_not_answer(label: str | None, flag: dict[str, str]) -> None:
    """An outbound call rings on, and stays unanswered."""
    scene = Scene(account=Account(label=None, block="never"), direction="outbound")
    scene.begin()
    ann = scene.offer("ann")
    scene.accept(ann)
    scene.join(OTHER, label, **flag)
    assert {ann.reservation_sid: "ringing"} == of(scene).connections
    assert not of(scene).answered


@pytest.mark.parametrize("label", [None, "worker_sid"])
def test_the_agents_own_leg_on_hold_is_hold(label: str | None) -> None:
    """Known by its label, or by the task alone."""
    scene, ann = with_ann(Account(label=label))
    scene.participant("hold", ann.call_sid, Hold="true")
    assert {ann.reservation_sid: "hold"} == of(scene).connections


@pytest.mark.parametrize("kind", ["callback", "voicemail"])
def test_a_task_without_a_call_is_not_answered(kind: str) -> None:
    """Its outcome is open, and in the end it is unanswered."""
    direction = "outbound" if kind == "callback" else "inbound"
    scene, _ = with_ann(Account(), direction, stated="inbound", task_type=kind)
    assert (direction, None) == (of(scene).direction, of(scene).outcome())
    assert not required(scene.known, TASK, LIST, START + 60_000)
    scene.hang_up()
    assert "unanswered" == of(scene).outcome()


def test_a_callback_becomes_a_call() -> None:
    """When a leg appears."""
    scene, ann = with_ann(Account(), "outbound", stated="inbound", task_type="callback")
    scene.call_back(ann)
    scene.now += 1_000
    scene.dialled(ann)
    assert "answered" == of(scene).outcome()
    assert scene.customer_leg == of(scene).customer_leg


def test_inbound_with_outbound_to_is_outbound() -> None:
    """And `outbound_to` is the customer."""
    scene, _ = with_ann(Account(), "outbound", stated="inbound")
    assert ("outbound", CUSTOMER) == (of(scene).direction, of(scene).customer)
    assert "internal" == direction_of({"direction": "inbound", "outbound_to": "client:bob"})


@pytest.mark.parametrize("members", ODD_MEMBERS, ids=range(len(ODD_MEMBERS)))
def test_odd_text_is_read(members: str) -> None:
    """The attributes are the same as without it."""
    scene, _ = with_ann(Account())
    plain = of(scene)
    odd, _ = with_ann(Account(), odd=lambda: members)
    assert plain == of(odd)


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    """And a whole pair stays."""
    assert "thanks \ufffd" == text("thanks \ud83d")
    assert "\U0001f600" == text(attributes(r'{"a":"\ud83d\ude00"}')["a"])


def test_a_time_in_any_notation() -> None:
    """All are the same time, to the notation's precision; anything else is absent."""
    at = START + 12_345
    found = {name: moment(stamp) for name, stamp in stamps_of(at).items()}
    exact = dict.fromkeys(("iso", "lower", "comma", "offset", "ms", "ms text"), at)
    coarse = {"seconds": START + 12_000, "seconds text": START + 12_000}
    assert exact | coarse | {"minutes": at - at % 60_000, "invalid": None} == found
    odd = [None, "", "soon", True, {}, [], float("inf"), float("nan"), "1e999", "2026-13-45T00:00Z"]
    assert [None] * len(odd) == [moment(value) for value in odd]
