"""Ports: free, distinct, and kept."""

import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.ports import chosen, free_before, is_free, kept_ports
from tests.examples import examples

NAMES = st.lists(st.text("abcdef", min_size=1, max_size=4), max_size=8)


@given(kept=st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 65535)), names=NAMES)
@settings(max_examples=examples(30))
def test_kept_ports_stay(kept: dict[str, int], names: list[str]) -> None:
    """A port that was chosen stays; every name has one; new ones differ from all others."""
    ports = chosen(names, kept, [])
    new = [ports[name] for name in ports if name not in kept]
    assert kept == {name: ports[name] for name in kept}
    assert set(names) | set(kept) == set(ports)
    assert len(new) == len(set(new) - set(kept.values()))


def test_ports_are_kept_in_the_file(tmp_path: Path) -> None:
    """A chosen port is kept, also when names are added."""
    file = tmp_path / "ports.json"
    first = kept_ports(file, ["kafka", "gateway"])
    more = kept_ports(file, ["kafka", "gateway", "gateway-1"])
    assert first == {name: more[name] for name in first}
    assert more == kept_ports(file, ["kafka"])


def test_a_taken_port_is_named() -> None:
    """A kept port that another program holds is refused, with its number and its purpose."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(RuntimeError, match=rf"port {port} \(kafka\)"):
            free_before({"kafka": port}, 0)
    free_before({"kafka": port}, 5)
