"""What a process concludes from the brokers' metadata."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.cluster.view import (
    TOPIC_DENIED,
    UNASKED,
    UNKNOWN_TOPIC,
    ClusterView,
    Needs,
    PartitionView,
    TopicView,
    are_hidden,
    configs_are_hidden,
    denied,
    impaired,
    leaderless,
    missing,
    other_counts,
    replication,
    unknown_somewhere,
    unusable,
    unusable_partitions,
)

ALL = frozenset({1, 2, 3})
NEEDS = Needs(
    {"in": 3, "out": 3}, frozenset({"in"}), frozenset({"out"}),
    min_in_sync={"in": 2, "out": 2},
)  # fmt: skip


def topic(
    count: int = 3, *, in_sync: frozenset[int] = ALL, error: int = 0, operations: int = UNASKED
) -> TopicView:
    """Return a topic with partitions led by brokers 1, 2, 3 in turn."""
    partitions = {n: PartitionView(n % 3 + 1, 1, 3, in_sync) for n in range(count)}
    return TopicView(error, {} if error else partitions, operations)


def view(*alive: int, **topics: TopicView) -> ClusterView:
    """A cluster of three of which these brokers answer; all know the same."""
    known = {"in": topic(), "out": topic()} | {k.rstrip("_"): v for k, v in topics.items()}
    return ClusterView(ALL, dict.fromkeys(alive, known))


def test_a_cluster_that_is_whole_can_be_used() -> None:
    """Nothing is reported while every broker answers."""
    complete = view(1, 2, 3)
    assert unusable(complete, NEEDS) is None
    assert impaired(complete, NEEDS) is None
    assert [] == missing(complete, NEEDS.partitions)
    assert [] == unknown_somewhere(complete, NEEDS.partitions)


def test_one_broker_of_three_away_is_a_warning() -> None:
    """Its partitions wait until another leads them; the rest works."""
    one_away = view(1, 2)
    assert unusable(one_away, NEEDS) is None
    assert "2 partitions cannot be used: in (1), out (1)" == impaired(one_away, NEEDS)


def test_two_of_three_away_is_below_the_minimum() -> None:
    """Nothing can be written, although the one that is left still names the others as in sync."""
    why = unusable(view(1), NEEDS)
    assert why is not None
    assert "out" in why
    assert "2, 3" in why
    reader = replace(NEEDS, writes=frozenset())
    assert unusable(view(1), reader) is None


def test_fewer_in_sync_than_the_minimum() -> None:
    """All brokers answer, and the replicas have fallen behind."""
    behind = view(1, 2, 3, out=topic(in_sync=frozenset({1})))
    assert "out" in str(unusable(behind, NEEDS))
    assert unusable(behind, replace(NEEDS, min_in_sync={"out": 1})) is None


def test_five_topics_that_cannot_be_used_are_named() -> None:
    """The others are counted."""
    names = [f"t{number}" for number in range(7)]
    needs = Needs(dict.fromkeys(names, 1), frozenset(names), frozenset())
    why = unusable(ClusterView(ALL, {1: {}}), needs)
    assert why is not None
    assert why.startswith("no partition of t0, t1, t2, t3, t4 and 2 more can be used")


def test_no_answer_at_all() -> None:
    """The reason of the last failed connection is shown."""
    assert "refused" == unusable(ClusterView(trouble="refused"), NEEDS)
    assert unusable(ClusterView(), NEEDS)
    assert "no broker answers" == unusable(ClusterView(ALL), NEEDS)


def test_a_topic_must_be_known_everywhere() -> None:
    """One broker that has not heard of a topic, or of some partitions, is enough to wait."""
    known = {"in": topic(), "out": topic()}
    for other in ({"in": topic()}, {"in": topic(), "out": topic(error=UNKNOWN_TOPIC)},
                  {"in": topic(), "out": topic(0)}, {"in": topic(), "out": topic(2)}):  # fmt: skip
        cluster = ClusterView(ALL, {1: known, 2: other, 3: None})
        assert ["out"] == unknown_somewhere(cluster, NEEDS.partitions)
        assert [] == missing(cluster, NEEDS.partitions)
        assert {} == other_counts(cluster, NEEDS.partitions)


def test_a_wrong_number_of_partitions_is_one_that_all_agree_on() -> None:
    """A topic in the making has none yet, on some brokers: that is no wrong number."""
    assert {"out": 5} == other_counts(view(1, 2, out=topic(5)), NEEDS.partitions)
    assert {} == other_counts(view(1, 2, out=topic(0)), NEEDS.partitions)
    assert ["out"] == missing(view(1, out=topic(error=UNKNOWN_TOPIC)), NEEDS.partitions)


def test_what_is_denied_is_named() -> None:
    """Topic, operation and principal; what the process does not need is not asked for."""
    read, write, configs = 1 << 3, 1 << 4, 1 << 10
    needs = replace(NEEDS, principal="User:app")
    assert [] == denied(view(1, in_=topic(operations=read), out=topic(operations=write)), needs)
    assert ["User:app lacks the ACL Write on Topic out"] == denied(
        view(1, out=topic(operations=read | configs)), needs
    )
    assert ["User:app lacks the ACL Read on Topic in"] == denied(
        view(1, in_=topic(operations=write)), needs
    )
    assert ["User:app lacks the ACL Read on Topic in"] == denied(
        view(1, in_=topic(error=TOPIC_DENIED)), needs
    )
    assert [
        "User:app lacks the ACL Read on Topic in",
        "User:app lacks the ACL Write on Topic in",
    ] == (denied(view(1, in_=topic(error=TOPIC_DENIED)), replace(needs, writes=needs.reads)))
    assert are_hidden(view(1, in_=topic(error=TOPIC_DENIED)))
    assert not are_hidden(view(1))
    assert configs_are_hidden(view(1, out=topic(operations=write)))
    assert not configs_are_hidden(view(1, 2, 3))


def test_a_topic_that_is_denied_is_not_missing() -> None:
    """It must not be created: it may be there."""
    assert [] == missing(view(1, in_=topic(error=TOPIC_DENIED)), NEEDS.partitions)


def test_partitions_without_a_leader() -> None:
    """They are named, as the broker with the latest epoch knows them."""
    old = {"out": TopicView(0, {0: PartitionView(1, 4, 3, ALL)})}
    new = {"out": TopicView(0, {0: PartitionView(-1, 5, 3, frozenset({2}))})}
    for answers in ({1: old, 2: new}, {1: new, 2: old}):
        cluster = ClusterView(ALL, answers)
        assert ["out-0"] == leaderless(cluster, ["out"])
        assert 3 == replication(cluster, "out")


@given(
    st.sets(st.integers(1, 3)),
    st.lists(st.tuples(st.integers(-1, 3), st.sets(st.integers(1, 3))), min_size=3, max_size=3),
    st.integers(1, 3),
)
def test_usable_is_what_a_leader_and_enough_replicas_answer_for(
    alive: set[int], partitions: list[tuple[int, set[int]]], least: int
) -> None:
    """A partition can be written if and only if its leader and `least` in-sync replicas answer; the
    process is well if and only if some partition of each of its topics can be used."""
    out = {n: PartitionView(leader, 1, 3, frozenset(s)) for n, (leader, s) in enumerate(partitions)}
    known = {"out": TopicView(0, out)}
    needs = Needs({"out": 3}, writes=frozenset({"out"}), min_in_sync={"out": least})
    cluster = ClusterView(ALL, dict.fromkeys(alive, known))
    good = {n for n, (leader, s) in enumerate(partitions)
            if leader in alive and len(s & alive) >= least}  # fmt: skip
    assert bool(good) == (unusable(cluster, needs) is None)
    if alive:
        assert {0, 1, 2} - good == set(unusable_partitions(cluster, needs).get("out", ()))
