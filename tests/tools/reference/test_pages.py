"""docs/reference: up to date, complete, and with links that lead somewhere."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from schemas import records, topics
from schemas.codec import SCHEMA_IDS
from tools.reference.__main__ import DIRECTORY, files, main, stale, write
from tools.reference.field_origins import OF_EVERY_RECORD, ORIGINS, origin
from tools.reference.model import KEYS, STATES, all_records
from tools.reference.pages import pages

PAGES = pages()
TEXT = "\n".join(PAGES.values())


def test_the_files_are_up_to_date() -> None:
    """Else run `python -m tools.reference`."""
    assert [] == stale(DIRECTORY)


@pytest.mark.parametrize("change", ["edited", "missing", "left over"])
def test_a_stale_file_is_found(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check`, which `make lint` runs, names it and fails; generating the pages repairs it."""
    monkeypatch.setattr("tools.reference.__main__.DIRECTORY", tmp_path)
    write(tmp_path)
    assert 0 == main(["--check"])
    name = "former.md" if change == "left over" else "calls.md"
    page = tmp_path / name
    if change == "missing":
        page.unlink()
    else:
        page.write_text("former")
    assert 1 == main(["--check"])
    assert name in capsys.readouterr().err
    assert 0 == main([])
    assert 0 == main(["--check"])


def test_make_lint_checks_them() -> None:
    """So that a stale page stops a merge."""
    makefile = (DIRECTORY.parents[1] / "Makefile").read_text()
    lint = makefile.partition("\nlint:")[2].partition("\n\n")[0]
    assert "-m tools.reference --check" in lint


def test_each_record_and_field_is_described_once() -> None:
    """Those that are written by themselves, and those within them."""
    sections = re.findall(
        r"^## (\w+)$", "\n".join(PAGES[n] for n in PAGES if n != "README.md"), re.MULTILINE
    )
    assert len(sections) == len(set(sections))
    assert set(sections) == set(all_records())
    assert set(SCHEMA_IDS) <= set(sections)
    for info in all_records().values():
        section = PAGES[f"{info.page}.md"].partition(f"\n## {info.name}\n")[2].partition("\n## ")[0]
        table = section.partition("\nKeys of")[0]
        named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
        assert [field.name for field in fields(getattr(records, info.name))] == named


def test_the_keys_of_maps_are_described() -> None:
    """Each key of `facts` and `milestones`, with its meaning."""
    for field, of_record in KEYS.items():
        for record, keys in of_record.items():
            section = PAGES["calls.md"].partition(f"\n## {record}\n")[2].partition("\n## ")[0]
            rows = re.findall(rf"^\| `{field}` \| `(\S+)` \|.*\| (.*) \|$", section, re.MULTILINE)
            assert list(keys.items()) == rows


def test_each_enumeration_is_described() -> None:
    """With all its values."""
    for each in STATES:
        section = PAGES["README.md"].partition(f"### {each.__name__}\n")[2].partition("\n### ")[0]
        assert list(each) == re.findall(r"`([\w-]+)`", section.splitlines()[-1])


def test_origins_are_of_fields_that_exist() -> None:
    """So are the fields that they name."""
    known = {f"{i.name}.{field.name}" for i in all_records().values() for field in i.fields}
    texts = [*ORIGINS.values(), *OF_EVERY_RECORD.values()]
    named = {name for text in texts for name in re.findall(r"`([A-Z]\w+\.\w+)`", text)}
    assert len(named) > 50
    assert set() == ({*ORIGINS} | named) - known
    assert all(text in TEXT for text in texts)
    assert {*OF_EVERY_RECORD} <= {name.partition(".")[2] for name in known}
    assert "`CtiEvent.event_id`" == origin("Call", "cause_event_id")
    assert "`Call.cause_event_id`" == origin("RecordingDecided", "cause_event_id")


def test_each_topic_is_listed() -> None:
    """With links to its records."""
    rows = dict(re.findall(r"^\| `([\w.-]+)` \|.*\| (.*) \|$", PAGES["README.md"], re.MULTILINE))
    assert {topic.name for topic in topics.ALL} == rows.keys()
    for topic in topics.ALL:
        assert list(topic.records) == re.findall(r"\[`(\w+)`\]", rows[topic.name])


def test_links_lead_to_sections() -> None:
    """On the same page, or on another one."""
    found = 0
    for name, text in files().items():
        for page, section in re.findall(r"\]\((\w*\.?m?d?)#(\w+)\)", text):
            titles = re.findall(r"^##+ (\w+)$", PAGES[page or name], re.MULTILINE)
            assert section in [title.lower() for title in titles]
            found += 1
    assert found > 100


def test_the_rows_of_a_table_have_all_columns() -> None:
    """No text of a description or an example breaks a table."""
    for text in files().values():
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            counts = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
            assert 1 == len(counts), table.splitlines()[0]


def test_examples_are_of_records_that_exist() -> None:
    """Of a present record type; most fields of the records on topics have an example."""
    example_run = json.loads((DIRECTORY / "example-run.json").read_text())
    assert set() == example_run["records"].keys() - SCHEMA_IDS.keys()
    assert len(example_run["records"]) > 25
    assert len(re.findall(r"^\| `\w+` \|.*\| `[^|]+` \|[^|]*\|$", TEXT, re.MULTILINE)) > 250
