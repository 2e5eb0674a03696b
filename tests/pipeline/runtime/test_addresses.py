"""Which texts are IP addresses."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.addresses import valid_address


@given(st.text() | st.ip_addresses().map(str))
def test_only_ip_addresses_are_valid(text: str) -> None:
    """A valid address has only hexadecimal digits, points and colons."""
    found = valid_address(text)
    assert found is None or set(found) <= set("0123456789abcdef.:")


@given(st.ip_addresses())
def test_every_ip_address_is_valid(address: object) -> None:
    """Of both versions, however it is written."""
    assert valid_address(str(address).upper()) is not None
