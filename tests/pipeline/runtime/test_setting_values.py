"""Values of settings: lists, addresses, networks."""

import pytest

from pipeline.runtime.settings import load


@pytest.mark.parametrize(
    ("value", "channels"),
    [("", {"voice"}), ("custom1", {"custom1"}), (" Voice , custom1,custom1", {"voice", "custom1"})],
)
def test_voice_channels_are_names_parted_by_commas(
    value: str, channels: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In upper or lower case; an empty setting counts as unset."""
    monkeypatch.setenv("FLEXCAPTURE_VOICE_CHANNELS", value)
    assert channels == load(None).voice_channels


@pytest.mark.parametrize("value", ["a:1", "a:1,b:65535", "[::1]:9092", "10.0.0.1:9092, b:1"])
def test_brokers_are_addresses_parted_by_commas(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One broker or several, with their ports."""
    monkeypatch.setenv("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", value)
    assert value == load(None).kafka_bootstrap_servers


def test_trusted_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with commas, of both kinds of addresses; no proxy is trusted without one."""
    assert () == load(None).trusted_proxies
    monkeypatch.setenv("FLEXCAPTURE_TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16,2001:db8::/32,")
    assert ("10.0.0.1", "10.1.0.0/16", "2001:db8::/32") == load(None).trusted_proxies
