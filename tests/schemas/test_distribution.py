"""The wheel of flexcapture-schemas, built and installed in an environment of its own."""

import io
import subprocess
import sys
import tomllib
import venv
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import fastavro
import pytest

import schemas
from schemas import codec
from schemas.codec import EARLIER_IDS, SCHEMA_IDS, encode, versions
from schemas.dataclass_reader import parsed
from schemas.ids import schema_text
from tests.schemas.avro_values import filled

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "schemas"
LEFT_OUT = "registry"
"""It needs an HTTP server. Registries are not what readers of records need."""

ENCODE_AGAIN = """
import sys
from flexcapture_schemas import decode, encode
for line in sys.stdin:
    record = decode(bytes.fromhex(line))
    print(type(record).__name__, type(record).__module__, encode(record).hex())
"""
IMPORT_ALL = """
import importlib, pkgutil, sys
import flexcapture_schemas
for module in pkgutil.walk_packages(flexcapture_schemas.__path__, "flexcapture_schemas."):
    importlib.import_module(module.name)
print(sorted(name for name in sys.modules if name.partition(".")[0] == "schemas"))
print(sorted(flexcapture_schemas.__all__))
print([topic.name for topic in flexcapture_schemas.topics.ALL])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without a network."""
    directory = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    _run([sys.executable, "-m", "pip", "wheel", *options, "-w", str(directory), str(PACKAGE)])
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment: it has this wheel and fastavro, and nothing else."""
    directory = tmp_path_factory.mktemp("venv")
    venv.create(directory, symlinks=True)
    made = directory / "bin" / "python"
    into = ["--python", str(made), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    _run([sys.executable, "-m", "pip", *into])
    (site,) = directory.glob("lib/python*/site-packages")
    present = Path(fastavro.__file__).parent
    for path in (present, *present.parent.glob("fastavro-*.dist-info")):
        (site / path.name).symlink_to(path)
    return made


def _run(command: list[str], text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd="/")
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_it_has_the_products_version_and_needs_fastavro_only(wheel: Path, python: Path) -> None:
    """And its requirement is met by the product's fastavro."""
    with ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith("/METADATA"))
        metadata = HeaderParser().parsestr(files.read(name).decode())
    product = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = {key: product[key] for key in ("version", "license")}
    found = {"version": metadata["Version"], "license": metadata["License-Expression"]}
    assert own == found
    assert product["requires-python"] == metadata["Requires-Python"]
    (requirement,) = metadata.get_all("Requires-Dist") or []
    assert requirement.startswith("fastavro")
    _run([sys.executable, "-m", "pip", "--python", str(python), "check"])


def test_it_has_each_module_and_schema_of_the_package(wheel: Path) -> None:
    """Except the registry; under its own name, and nothing else beside the licence."""
    with ZipFile(wheel) as files:
        packed = {
            name.removeprefix("flexcapture_schemas/")
            for name in files.namelist()
            if ".dist-info/" not in name
        }
    wanted = {
        str(path.relative_to(PACKAGE))
        for pattern in ("*.py", "*.avsc", "py.typed")
        for path in PACKAGE.rglob(pattern)
        if path.relative_to(PACKAGE).parts[0] != LEFT_OUT
    }
    assert wanted | {"LICENSE"} == packed


def test_its_modules_import_no_other_package(python: Path) -> None:
    """All can be imported without the product: `schemas` is not there."""
    others, names, topics = _run([str(python), "-I", "-c", IMPORT_ALL]).splitlines()
    assert "[]" == others
    assert str(sorted(schemas.__all__)) == names
    assert str([topic.name for topic in schemas.topics.ALL]) == topics


def test_it_reads_and_writes_the_bytes_of_the_product(python: Path) -> None:
    """A record of each type is decoded, and encoded to the same bytes."""
    written = [encode(codec._FROM_PLAIN[name](filled(name))).hex() for name in SCHEMA_IDS]
    found = _run([str(python), "-I", "-c", ENCODE_AGAIN], "\n".join(written)).splitlines()
    assert [f"{name} {data}" for name, data in zip(SCHEMA_IDS, written, strict=True)] == [
        f"{name} {data}" for name, _, data in map(str.split, found)
    ]
    assert all(line.split()[1].startswith("flexcapture_schemas.records.") for line in found)


def test_it_reads_records_of_earlier_releases(python: Path) -> None:
    """A record of each earlier schema is decoded into one of the present schema."""
    earlier = [(name, n) for name, ids in EARLIER_IDS.items() for n in range(1, len(ids) + 1)]
    lines = "\n".join(_of_version(name, number).hex() for name, number in earlier)
    found = _run([str(python), "-I", "-c", ENCODE_AGAIN], lines).splitlines()
    assert [name for name, _ in earlier] == [line.split()[0] for line in found]
    ids = [bytes.fromhex(line.split()[2])[1:5] for line in found]
    assert [SCHEMA_IDS[name].to_bytes(4) for name, _ in earlier] == ids


def _of_version(name: str, number: int) -> bytes:
    """A record in the bytes that the release with this version of its schema wrote."""
    out = io.BytesIO()
    out.write(b"\0" + versions(name)[number - 1].to_bytes(4))
    schema = parsed(schema_text(name, number))
    fastavro.schemaless_writer(out, schema, filled(name, number))
    return out.getvalue()
