"""The console as a whole: errors in the form of the path, and the routes of a role."""

import httpx
import pytest

from console import api
from tests.console.conftest import TOKEN, Console


@pytest.mark.parametrize(
    "path", ["contacts/WT0", "recordings/1", "recordings/1/audio", "recordings/1/manifest", "x"]
)
async def test_what_does_not_exist_is_404(client: httpx.AsyncClient, path: str) -> None:
    """404 and an error in JSON."""
    answer = await client.get(f"/api/{path}")
    assert 404 == answer.status_code
    assert "error" in answer.json()


async def test_another_method_is_405(client: httpx.AsyncClient) -> None:
    """The API changes nothing."""
    assert 405 == (await client.post("/api/contacts")).status_code


async def test_an_unknown_contact_has_an_error_page(client: httpx.AsyncClient) -> None:
    """404 as a page."""
    answer = await client.get("/contacts/WT0")
    assert 404 == answer.status_code
    assert answer.headers["content-type"].startswith("text/html")


async def test_strangers_get_one_word_of_health(
    visitor: httpx.AsyncClient, console: Console
) -> None:
    """Reasons, in which there may be host names or lines of the list, need the token."""
    answer = await visitor.get("/healthz")
    assert (200, "ok\n") == (answer.status_code, answer.text)
    console.health.bad("database", "db.internal cannot be reached")
    answer = await visitor.get("/healthz")
    assert (503, "unhealthy\n") == (answer.status_code, answer.text)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = await visitor.get("/healthz", headers=headers)
    assert (503, "database: db.internal cannot be reached\n") == (answer.status_code, answer.text)
    wrong = await visitor.get("/healthz", headers={"Authorization": "Bearer wrong"})
    assert 401 == wrong.status_code


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/nothing", "application/json"),
        ("/api", "application/json"),
        ("/static/nothing", "text/plain"),
        ("/apiary", "text/html"),
        ("/nothing", "text/html"),
    ],
)
async def test_an_error_has_the_form_of_its_path(
    client: httpx.AsyncClient, path: str, kind: str
) -> None:
    """JSON for programs, text for files, and a page for people."""
    answer = await client.get(path)
    assert 404 == answer.status_code
    assert answer.headers["content-type"].startswith(kind)


async def test_a_defect_shows_nothing_of_itself(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The details are in the log. The answer is as safe as all others."""

    def defect(*_: object, **__: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(api, "read_search", defect)
    answer = await client.get("/api/contacts")
    assert (500, {"error"}) == (answer.status_code, set(answer.json()))
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers
