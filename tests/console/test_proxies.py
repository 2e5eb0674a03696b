"""What a console takes from the headers of a proxy."""

import httpx
import pytest

from tests.console.conftest import PROXY, TOKEN


@pytest.mark.parametrize(("source", "is_trusted"), [("127.0.0.1", False), (PROXY, True)])
def test_forwarded_headers_count_from_trusted_proxies_alone(
    server: tuple[str, int], source: str, is_trusted: bool
) -> None:
    """For any other client, scheme and address are those of the connection."""
    transport = httpx.HTTPTransport(local_address=source)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "evil, 203.0.113.9"}
    base = f"http://{server[0]}:{server[1]}"
    with httpx.Client(transport=transport, base_url=base, headers=headers) as client:
        answer = client.post("/sign-in", data={"token": TOKEN})
        assert 303 == answer.status_code
        assert is_trusted == ("strict-transport-security" in answer.headers)
        assert is_trusted == answer.headers["set-cookie"].startswith("__Host-")
        authorized = {"Authorization": f"Bearer {TOKEN}"}
        entry = client.get("/api/audit?limit=1", headers=authorized).json()["entries"][0]
        assert ("203.0.113.9" if is_trusted else source) == entry["address"]
