"""Copies of a formatted storage: each has ids of its own, and everything else of the template."""

import os
from pathlib import Path

import pytest

from infra.local.kafka_storage import copy_storage, new_storage_id

META = "#\n#Mon Nov 30 07:11:09 UTC 2026\nnode.id=1\ndirectory.id=vRn\nversion=1\ncluster.id=Fc0\n"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A formatted storage."""
    made = tmp_path / "template"
    made.mkdir()
    (made / "meta.properties").write_text(META)
    (made / "bootstrap.checkpoint").write_bytes(b"\0features")
    return made


def ids_of(directory: Path) -> dict[str, str]:
    """The properties of a storage."""
    lines = (directory / "meta.properties").read_text().splitlines()
    return dict(line.split("=") for line in lines if "=" in line)


def test_a_copy_is_of_its_own_node_and_cluster(template: Path, tmp_path: Path) -> None:
    """No two copies share the id of their directory; the template stays as it is."""
    for number in (2, 3):
        copy_storage(template, tmp_path / str(number), number, "Fcluster")
    second, third = ids_of(tmp_path / "2"), ids_of(tmp_path / "3")
    assert {"node.id": "2", "cluster.id": "Fcluster", "version": "1"}.items() <= second.items()
    assert "3" == third["node.id"]
    assert 3 == len(
        {ids_of(each)["directory.id"] for each in (template, tmp_path / "2", tmp_path / "3")}
    )
    assert b"\0features" == (tmp_path / "2" / "bootstrap.checkpoint").read_bytes()
    assert META == (template / "meta.properties").read_text()


def test_a_copy_is_as_private_as_the_umask_says(template: Path, tmp_path: Path) -> None:
    """Other users may read the template, but not a pipeline's data."""
    (template / "deeper").mkdir()
    (template / "deeper" / "file").write_text("x")
    for path in (template, *template.rglob("*")):
        path.chmod(0o755)
    before = os.umask(0o077)
    try:
        copy_storage(template, tmp_path / "2", 2, "F")
    finally:
        os.umask(before)
    copied = [tmp_path / "2", *(tmp_path / "2").rglob("*")]
    assert 5 == len(copied)
    assert [] == [path for path in copied if path.stat().st_mode & 0o077]


def test_an_unknown_format_is_refused(template: Path, tmp_path: Path) -> None:
    """If the ids were not found, every copy would claim to be the same broker of one cluster."""
    (template / "meta.properties").write_text(META.replace("cluster.id", "cluster_id"))
    with pytest.raises(ValueError, match=r"meta.properties: cluster\.id is there 0 times"):
        copy_storage(template, tmp_path / "2", 2, "F")
    assert not (tmp_path / "2").exists()


def test_an_id_never_begins_with_a_hyphen() -> None:
    """The tool would read it as an option."""
    made = [new_storage_id() for _ in range(100)]
    assert {"F"} == {each[0] for each in made}
    assert {22} == {len(each) for each in made}
    assert 100 == len(set(made))
