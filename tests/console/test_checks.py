"""The checks of a request's headers."""

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from console.checks import bearer_token, is_from_own_page, is_host, own_path, sign_in_path

TEXT = st.text(max_size=30) | st.sampled_from(["http://[", "//[", "[::1", "null", "a:b:c"])


@given(TEXT, TEXT, TEXT)
def test_no_header_breaks_the_checks(first: str, second: str, third: str) -> None:
    """For any input, each check returns yes or no, and every path stays on this site."""
    sent = {"origin": first, "host": second, "authorization": third}
    headers = Headers({k: v.encode().decode("latin-1") for k, v in sent.items()})
    is_from_own_page(headers)
    bearer_token(headers)
    is_host(second)
    path = own_path(first)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert sign_in_path("GET", first, second).isascii()
