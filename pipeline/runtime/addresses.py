"""Addresses of clients. Pure."""

from ipaddress import IPv6Address, ip_address, ip_network


def network_of(address: str) -> str:
    """Return the network that counts as one client: an IPv4 address, the /64 network of an IPv6
    address, or the text itself if it is not an address."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped or ip_network((int(found), 64), strict=False))
    return str(found)


def valid_address(text: str) -> str | None:
    """Return the IP address in its usual form; None if the text is not one, or has a zone
    (`fe80::1%eth0`), which may be any text."""
    try:
        return None if "%" in text else str(ip_address(text))
    except ValueError:
        return None
