"""The choice and form of examples."""

from tools.reference.example_run import load, paths, shortened


def test_paths_name_what_has_a_value() -> None:
    """Neither null nor empty, at any depth."""
    value = {"a": 1, "b": None, "c": {"d": "", "e": False}, "f": [{"g": b"x"}, {"g": b""}], "h": ()}
    assert [".a", ".c.e", ".f.g"] == list(paths(value))


def test_examples_are_short() -> None:
    """Lists and texts are cut, bytes are text."""
    value = {"text": "x" * 500, "bytes": b"\xff" * 500, "list": tuple(range(9)), "no": None}
    short = shortened(value)
    assert [0, 1, 2] == short["list"]
    assert short["text"] == "x" * 200 + "..."
    assert short["bytes"].startswith("////")
    assert len(short["bytes"]) == 203
    assert short["no"] is None


def test_the_examples_are_of_one_run() -> None:
    """Records and events."""
    assert {"records", "events"} == load().keys()
