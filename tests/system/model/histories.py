"""Generated calls: what a contact center does, drawn by Hypothesis, and how it is delivered."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.system.model.cast import Account, worker_sid
from tests.system.model.director import HOUR, Director
from tests.system.model.scene import Scene
from tests.system.model.showing import START, line
from tests.system.model.unusual import UnusualDirector, unusual
from tests.system.model.verdicts import Delivery, ListVersion

LINES = (
    "ann@example.com", "bob@example.com", "team:gold", "queue:claims", "!queue:legal", "*",
    "worker:ann", "uma@example.com", worker_sid("bob").lower(),
)  # fmt: skip
LATE = 2 * HOUR
"""How late events come at most: with it, a call's last is known before the call is forgotten."""

accounts = st.builds(
    Account,
    label=st.sampled_from(["worker_sid", "contact_uri", "reservation_sid", "email", None]),
    customer_label=st.booleans(),
    conference=st.sampled_from([True, True, False]),
    calls=st.booleans(),
    sequence=st.booleans(),
    versions=st.sampled_from(["number", "text", None]),
    stamp=st.sampled_from(["iso", "iso", "seconds", "none"]),
    envelope=st.booleans(),
    created=st.sampled_from([True, True, False]),
    block=st.sampled_from(["at once", "late", "never"]),
)

_JUNK: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        *([{}] * 12),
        {"task_attributes": "{not json"},
        {"task_attributes": None},
        {"worker_attributes": ""},
        {"task_queue_name": None},
        {"task_channel_unique_name": None},
    ]
)


@st.composite
def list_versions(draw: st.DrawFn) -> tuple[ListVersion, ...]:
    """One to three versions of the list, the first from before the call."""
    usual = ("ann@example.com", "bob@example.com", "team:gold", "!queue:legal")
    others = st.lists(st.sampled_from(LINES), unique=True).map(tuple)
    lines = st.integers(0, 3).flatmap(lambda n: others if n == 3 else st.just(usual))
    changes = sorted(draw(st.lists(st.integers(0, 60_000), max_size=2)))
    switches = st.sampled_from([True] * 12 + [False])
    return tuple(
        ListVersion(number, START + at, draw(lines), draw(switches), draw(switches))
        for number, at in enumerate([-HOUR, *changes], 1)
    )


@st.composite
def calls(draw: st.DrawFn, *, textbook: bool = False) -> Scene:
    """A whole call of any kind, or with `textbook` one that has nothing unusual."""
    scene = Scene(
        account=draw(accounts),
        direction=draw(st.sampled_from([*["inbound"] * 8, *["outbound"] * 4, "internal"])),
        silent=draw(st.sampled_from([False] * 9 + [True])),
        queue=draw(st.sampled_from(["Support", "Support", "Support", "Claims", "Legal"])),
        junk=lambda: draw(_JUNK),
    )
    if not textbook:
        draw(unusual(scene))
    director = (Director if textbook else UnusualDirector)(draw, scene)
    scene.begin()
    if director.connected():
        for _ in range(draw(st.sampled_from([2, 0, 1, 3, 4, 6, 8]))):
            if not director.acts():
                break
    director.ends()
    return scene


@dataclass(repr=False)
class Run:
    """A call as it is delivered, each event at a moment of its own, and the list meanwhile."""

    deliveries: list[Delivery]
    versions: tuple[ListVersion, ...]
    supervisors: tuple[str, ...]

    def __repr__(self) -> str:
        arrivals = [
            f"{at - START:>9} came {line(event, then)}" for at, event, then in self.deliveries
        ]
        return "\n".join([*arrivals, *map(repr, self.versions)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # how Hypothesis shows it


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Calls of any kind, delivered late, out of order and repeatedly."""
    scene = draw(calls(textbook=draw(st.booleans())))
    late = st.sampled_from([0] * 12 + [30, 400, 1_500, 6_000, 30, 400, 1_500, LATE])
    entries = [
        (arrived + draw(late), number, event, arrived)
        for number, (event, arrived) in enumerate(scene.known)
        for _ in range(draw(st.sampled_from([1, 1, 1, 1, 2])))
    ]
    at, found = 0, []
    for when, _, event, arrived in sorted(entries, key=lambda c: c[:2]):
        at = max(at + 1, when)
        found.append((at, event, arrived))
    return Run(found, draw(list_versions()), tuple(scene.supervisors))
