"""Documents, and comments in code, name only files, decisions, tests and sections that exist."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.files import ROOT, files

_TEXTS = {".py", ".md", ".yml", ".yaml", ".toml", ".cfg", ".avsc", ".html"}
_SUFFIXES = "py|md|avsc|yml|yaml|toml|cfg|lock|xml"
_NAME = re.compile(rf"(?<![\w./*-])[\w-]+\.(?:{_SUFFIXES})\b(?!\w*/)")
_TEST = re.compile(r"`(test_\w+)`")
_LINK = re.compile(r"\]\((?!#|\w+:)([^)#\s]+)")
_MODULES = re.compile(r"`([\w/]+)/`:? \(([^)]*)\)")
_SECTION = re.compile(r"(docs/[\w/-]+\.md),\s+\"([^\"]+)\"")
MADE = frozenset(
    {
        "agents/NAME.py",
        "schemas/avro/earlier/CallAlias.1.avsc",
        "infra/deploy/monitored-agents.txt",
        "infra/deploy/secrets",
        "infra/deploy/secrets/tls.pem",
        "infra/deploy/secrets/twilio-auth-token",
    }
)
"""Files that a reader of a page makes."""


PAGES = [path for path in files() if path.suffix == ".md" and path.name != "CHANGELOG.md"]
"""All documents that describe the present. The changelog names files of its time."""


@cache
def _tests() -> frozenset[str]:
    modules = (p for p in files() if p.parts[0] == "tests" and p.name.startswith("test_"))
    text = "".join((ROOT / path).read_text() for path in modules)
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE))


@cache
def _path() -> re.Pattern[str]:
    tops = "|".join(sorted({re.escape(path.parts[0]) for path in files() if len(path.parts) > 1}))
    return re.compile(rf"(?<![\w./:*-])(?:{tops})/[\w./*-]*\w", re.ASCII)


@cache
def _exists(name: str) -> bool:
    """A decision may be named by its number, a module without `.py`."""
    if re.fullmatch(r"docs/decisions/\d{4}", name):
        name += "-*.md"
    return any(True for form in (name, f"{name}.py") for _ in ROOT.glob(form))


def _missing(text: str) -> Iterator[str]:
    yield from (name for name in _path().findall(text) if name not in MADE and not _exists(name))


def test_a_file_that_does_not_exist_is_found() -> None:
    """In prose, in code marks, at the end of a sentence; a number of a decision too."""
    text = "See `pipeline/nowhere.py`, docs/decisions/9999 and pipeline/calls/merge. Not x/docs/a."
    assert ["pipeline/nowhere.py", "docs/decisions/9999"] == list(_missing(text))
    assert ["gone.py"] == _NAME.findall("`gone.py`, `.py`, `a/b.py`")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_file_that_a_page_names_exists(page: Path) -> None:
    """With its path from the root, or only by its name."""
    text = (ROOT / page).read_text()
    names = {path.name for path in files()} | {Path(name).name for name in MADE}
    assert set() == set(_missing(text)) | {n for n in _NAME.findall(text) if n not in names}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_link_leads_to_a_file(page: Path) -> None:
    """Links are relative to the page."""
    links = _LINK.findall((ROOT / page).read_text())
    assert [] == [link for link in links if not (ROOT / page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_test_that_a_page_names_exists(page: Path) -> None:
    """A page says which test fails, or shows, something."""
    assert set() == set(_TEST.findall((ROOT / page).read_text())) - _tests()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_module_that_is_listed_after_its_package_exists(page: Path) -> None:
    """As in: `gateway/media/` (`messages`, `protocol`)."""
    missing = set()
    for package, listed in _MODULES.findall((ROOT / page).read_text()):
        for name in re.findall(r"`([a-z_]+)`", listed):
            if (ROOT / package).is_dir() and not _exists(f"{package}/{name}"):
                missing.add(f"{package}/{name}")
    assert set() == missing


def test_comments_name_documents_that_exist() -> None:
    """In code, configuration and schemas."""
    missing = {}
    for path in files():
        if path.suffix in _TEXTS - {".md"} or path.name == "Makefile":
            found = {n for n in _missing((ROOT / path).read_text()) if n.startswith("docs/")}
            missing |= dict.fromkeys(found - {"docs/x.md"}, path)
    assert {} == {n: p for n, p in missing.items() if p.parts[:2] != ("tests", "docs")}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_section_that_a_page_names_exists(page: Path) -> None:
    """As in: docs/operations.md, "Clocks"."""
    for name, section in _SECTION.findall((ROOT / page).read_text()):
        titles = re.findall(r"^#+ (.+)$", (ROOT / name).read_text(), re.MULTILINE)
        assert " ".join(section.split()) in titles


def test_the_overview_lists_each_page() -> None:
    """docs/README.md; decisions have an index of their own."""
    pages = {page.name for page in PAGES if page.parent == Path("docs")} - {"README.md"}
    assert pages <= set(_LINK.findall((ROOT / "docs" / "README.md").read_text()))
    linked = set(_LINK.findall((ROOT / "README.md").read_text()))
    assert {"CONTRIBUTING.md", "docs/README.md", "SECURITY.md"} <= linked
