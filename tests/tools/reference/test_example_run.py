"""The choice and form of examples."""

from tools.reference.example_run import completed, load, paths, shortened


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


def test_examples_that_a_run_did_not_make_stay() -> None:
    """In the order of the schemas; those that it made are new."""
    before = {"records": {"Tick": 1, "Call": 1}, "events": {"b": 1}}
    found = {"records": {"Call": 2}, "events": {"a": 2}}
    whole = completed(found, before)
    assert {"Call": 2, "Tick": 1} == whole["records"]
    assert [("a", 2), ("b", 1)] == list(whole["events"].items())
