"""What belongs to a derivation that is dropped."""

from cli.derive.dropping import groups_of


def test_groups_of_other_pipelines_stay() -> None:
    """A longer prefix may be another pipeline's; without a separator only roles' groups count."""
    topics = {"a.calls", "a.derive.progress", "a.b.calls", "calls"}
    groups = ["tracker", "a.tracker", "a.mine", "a.b.tracker", "ab.x"]
    assert ("a.mine", "a.tracker") == groups_of("a.", groups, topics)
    assert ("atracker",) == groups_of("a", ["atracker", "another", "tracker"], {"acalls"})
