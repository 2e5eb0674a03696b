"""Lists of the REST double in pages."""

from simulator.paging import paged


def test_pages() -> None:
    """Following `next_page_uri`, which is relative and null at the end, gives all rows in order."""
    rows = [{"sid": number} for number in range(7)]
    seen, query = [], {"PageSize": "3"}
    while True:
        page = paged("rows", rows, "/path", query)
        seen += page["rows"]
        if page["next_page_uri"] is None:
            break
        assert page["next_page_uri"].startswith("/path?")
        query = dict(pair.split("=") for pair in page["next_page_uri"].split("?")[1].split("&"))
    assert rows == seen
